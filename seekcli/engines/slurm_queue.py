"""What a scheduler has of the arrays that were submitted: whether they are in its queue, and to end them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from seekcli.errors import BadInput, RunFailed, one_line
from seekcli.grid.submission import Submission, Submissions, Submitted


def is_in_the_queue(submission: Submission) -> bool:
    """Whether Slurm knows a job that has not ended; True where it cannot be asked."""
    if submission.cluster != "slurm":
        return submission.cluster == "local" and any(map(is_of_submitit, pids_of(submission)))
    try:
        words = ["squeue", "-h", "-j", submission.job]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return bool(done.stdout.strip()) if not done.returncode else "Invalid job id" not in done.stderr


def pids_of(submission: Submission) -> list[int]:
    return [int(pid) for pid in submission.job.split(",") if pid.isdecimal()]


def is_of_submitit(pid: int) -> bool:
    """Whether a process is one of submitit's, as the number of one that has ended is given to others."""
    if not Path("/proc/self/cmdline").exists():
        return True
    with suppress(OSError):
        return b"submitit" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def forget_the_gone(submissions: Submissions) -> list[Submitted]:
    """The arrays that may still be in the queue; those that the scheduler does not know any more are marked so."""
    for one in submissions.read()[0]:
        if one.may_run and not is_in_the_queue(one.submission):
            one.folder.write(one.submission.model_copy(update={"gone": True}))
    return submissions.live()


def cancel(one: Submitted) -> None:
    """End an array: what waits in the queue never begins, what runs saves and leaves. Raises BadInput and RunFailed."""
    submission = one.submission
    one.folder.write(submission.model_copy(update={"cancelled": True}))  # elements look there before they queue again
    if submission.cluster == "local":
        for pid in filter(is_of_submitit, pids_of(submission)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    if submission.cluster != "slurm":
        return
    if shutil.which("scancel") is None:
        raise BadInput("there is no scancel on PATH: run it on a login node")
    for words in (["--state=PENDING"], ["--signal=USR2", "--state=RUNNING"]):
        done = subprocess.run(["scancel", *words, submission.job], capture_output=True, text=True, check=False)
        if done.returncode and "Invalid job id" not in done.stderr:
            raise RunFailed(f"scancel of job {submission.job}: {one_line(done.stderr)}")
