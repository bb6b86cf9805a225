"""The engine `slurm`: one array of workers, submitted by submitit. The command returns; the folder says how far it is.

An element that Slurm preempts, or whose time is up, is signalled: its runs save at their next step, and it puts itself
back into the queue, it alone. Nothing here asks sacct.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from seekcli import files
from seekcli.engines.engine import Engine, StopRequested, Work
from seekcli.engines.slots import Slot
from seekcli.engines.slurm_queue import cancel, is_in_the_queue
from seekcli.errors import EXIT_RESUMABLE, BadInput, RunFailed, Stopped, one_line
from seekcli.grid.engine_settings import SBATCH, Settings
from seekcli.grid.submission import Element, ElementWord, Submission, SubmissionFolder, Submissions, Submitted
from seekcli.stop_signals import STOP_SIGNALS

POLL_SECONDS = 2.0
ASK_SECONDS = 30.0  # how often squeue is asked by who waits
MOST_MINUTES = 10 * 365 * 24 * 60  # submitit's own limit of processes of this machine: no limit


def require_slurm(cluster: str) -> None:
    """Raise BadInput where nothing can be submitted from here."""
    if importlib.util.find_spec("submitit") is None:
        raise BadInput("--engine slurm needs submitit: pip install 'seekcli[slurm]'")
    if cluster == "slurm" and (lacking := [name for name in ("sbatch", "srun") if shutil.which(name) is None]):
        what = " and ".join(lacking)
        raise BadInput(f"--engine slurm: there is no {what} on PATH: use a login node (to try: --slurm cluster=local)")


class SlurmEngine(Engine):
    """`settings` are those of `--slurm`; `device` is the kind of device that the elements ask for."""

    def __init__(self, submissions: Submissions, settings: Settings, per_gpu: int | None, device: str | None) -> None:
        self.submissions, self.settings, self.per_gpu, self.device = submissions, dict(settings), per_gpu, device
        self.cluster = self.settings.pop("cluster", "slurm")
        self.settings.pop("elements", None)
        self.jobs: list[Any] = []
        require_slurm(self.cluster)

    def submit(self, work: Work) -> None:
        files.require_results_folder(work.out)
        at = time.time()
        self.folder = self.submissions.new(at)
        with nothing_left_where_refused(self.folder.path, work.out):
            self.start(work, at)

    def start(self, work: Work, at: float) -> None:
        self.folder.write_order(work.order)
        threads = work.slots[0].threads
        elements = [
            ArrayElement(work, number, self.folder.path, at, self.per_gpu, threads) for number in range(len(work.slots))
        ]
        self.jobs = self.submitted(elements)
        job = self.jobs[0].job_id.partition("_")[0] if self.cluster == "slurm" else ",".join(map(job_of, self.jobs))
        self.submission = Submission(
            engine="slurm", cluster=self.cluster, job=job, elements=len(elements), device=self.device, submitted_at=at
        )
        self.folder.write(self.submission)
        for one in self.jobs if self.cluster == "debug" else ():
            one.results()

    def submitted(self, elements: list[ArrayElement]) -> list[Any]:
        """Raises BadInput in sbatch's own words where it refuses."""
        import submitit
        from submitit.core.utils import FailedJobError

        executors = {"slurm": submitit.SlurmExecutor, "local": submitit.LocalExecutor, "debug": submitit.DebugExecutor}
        executor = executors[self.cluster](self.folder.logs)
        if self.cluster == "slurm":
            executor.update_parameters(**sbatch_parameters(self.settings))
        elif self.cluster == "local":
            executor.update_parameters(timeout_min=MOST_MINUTES)
        try:
            # submitit copies what sbatch says, which is told below.
            with redirect_stderr(StringIO()), without_output(self.cluster == "local"):
                return list(executor.submit_array(elements))
        except (subprocess.CalledProcessError, FailedJobError, RuntimeError) as error:
            said = getattr(error, "stderr", None) or str(error)
            words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            last = one_line((words.strip().splitlines() or ["sbatch says nothing"])[-1])
            raise BadInput(f"--engine slurm: nothing was submitted: {last}") from None

    def watch(self, stop_requested: StopRequested, tick: Callable[[], None] = lambda: None) -> None:
        """Until all elements have ended. A stop ends the watching alone: the array goes on."""
        asked = time.monotonic()
        while Submitted.read(self.folder).is_live:
            tick()
            if reason := stop_requested():
                raise Stopped(f"{reason}: no longer watched; the array goes on, `seek grid cancel` ends it")
            if time.monotonic() - asked > ASK_SECONDS:
                asked = time.monotonic()
                if not self.is_in_the_queue():
                    break
            time.sleep(POLL_SECONDS)
        tick()

    def is_in_the_queue(self) -> bool:
        """By squeue; where that does not answer the folder has to do."""
        if self.cluster != "slurm":
            return any(not one.done() for one in self.jobs)
        return is_in_the_queue(self.submission)

    def complaint(self) -> str | None:
        if not Submitted.read(self.folder).is_live:
            return None
        job = self.submission.job
        return f"job {job} has left the queue, and not all of its elements have ended: see {self.folder.logs}"

    def cancel(self) -> None:
        cancel(Submitted.read(self.folder))

    def __exit__(self, *_: object) -> None:
        """The array needs no process of ours."""


@contextmanager
def without_output(is_so: bool) -> Iterator[None]:
    """What is started inside has no output: it would hold the pipe of `seek grid run | cat` until it ends."""
    kept = [(number, os.dup(number)) for number in (1, 2)] if is_so else []
    try:
        with open(os.devnull, "wb") as nowhere:
            for number, _ in kept:
                os.dup2(nowhere.fileno(), number)
        yield
    finally:
        for number, own in kept:
            os.dup2(own, number)
            os.close(own)


@contextmanager
def nothing_left_where_refused(folder: Path, results: Path) -> Iterator[None]:
    """Of a submission that is refused nothing stays on the disk."""
    with files.no_empty_folders(results), files.no_empty_folders(folder.parent):
        try:
            yield
        except BadInput:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def sbatch_parameters(settings: Settings) -> dict[str, Any]:
    """What submitit is told: those of sbatch, that an element may be queued again, and no wckey of submitit's."""
    own = {key: value for key, value in settings.items() if key in SBATCH}
    return {"wckey": None, **own, "additional_parameters": {"requeue": True}}


def job_of(job: Any) -> str:
    return str(job.job_id)


@dataclass(frozen=True)
class ArrayElement:
    """What submitit calls on the node: the worker of one shard, as a process of its own."""

    work: Work
    number: int
    folder: Path
    submitted_at: float
    per_gpu: int | None
    threads: int

    def __call__(self) -> int:
        """The exit code of the worker. Raises RunFailed where that is a failure: Slurm then shows it as failed."""
        with handlers_restored():  # at the end: no second signal keeps it from queueing again
            return self.do(job_here())

    def do(self, job: str) -> int:
        self.mark("running", job)
        code = self.run_worker()
        if code == EXIT_RESUMABLE and not self.is_cancelled(job):
            self.mark("requeued", job)
            requeue(job)
            return code
        failed = code not in (0, EXIT_RESUMABLE)
        self.mark("failed" if failed else "ended", job)
        if failed and "SLURM_JOB_ID" in os.environ:
            raise RunFailed(f"the worker of shard {self.number + 1} ended with exit code {code}: its words are above")
        return code

    def run_worker(self) -> int:
        """Its exit code. A signal that asks for a stop is passed on, and the worker saves."""
        words = self.work.words(self.number, str(SubmissionFolder(self.folder).order_path))
        words += ["--progress", "plain", *([] if self.per_gpu is None else ["--per-gpu", str(self.per_gpu)])]
        process = subprocess.Popen(
            [sys.executable, "-m", "seekcli", *words],
            env={**os.environ, **Slot(self.threads).environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

        def pass_on(number: int, frame: object) -> None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

        for number in STOP_SIGNALS:
            signal.signal(number, pass_on)
        return process.wait()

    def mark(self, state: ElementWord, job: str) -> None:
        node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        SubmissionFolder(self.folder).mark(
            Element(number=self.number, submitted_at=self.submitted_at, state=state, job=job, node=node)
        )

    def is_cancelled(self, job: str) -> bool:
        """By `seek grid cancel`, or by scancel: a job that was cancelled must not come back."""
        with suppress(BadInput):  # it may begin before its submission is written down
            if SubmissionFolder(self.folder).read().cancelled:
                return True
        return state_of(job) == "CANCELLED"


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Whatever handlers of signals are set inside."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def job_here() -> str:
    """The job that this process is in, as `12_3`; that of submitit where it is not Slurm's."""
    import submitit

    return str(submitit.JobEnvironment().job_id)


def state_of(job: str) -> str | None:
    """What Slurm says of a job, `RUNNING`; None where it cannot be asked."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    try:
        words = ["scontrol", "show", "job", "-o", os.environ["SLURM_JOB_ID"]]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = [word.partition("=")[2] for word in said.split() if word.startswith("JobState=")]
    return found[0] if found else None


def requeue(job: str) -> None:
    """Put this element back into the queue, it alone. Raises RunFailed where Slurm refuses."""
    if "SLURM_JOB_ID" not in os.environ:
        import submitit

        submitit.JobEnvironment()._requeue(0)  # what submitit offers to its clusters for it
        return
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode > 0:  # below 0 Slurm has ended it, and this job, to begin it anew
        raise RunFailed(f"job {job} is saved, and not queued again: {one_line(done.stderr)}; `seek grid run` goes on")
