"""The engine `ray`: one worker a task, on a Ray cluster that runs, or on one that is started here for the time.

Ray starts a task again whose process was killed or whose node is gone; the runs that it had go on from their last
checkpoint. All nodes need this package, and the folder of the command and the results folder under the same paths.
"""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from seekcli.engines.engine import Engine, StopRequested, Work
from seekcli.engines.slots import Slot
from seekcli.engines.starter import STARTED_BY
from seekcli.errors import EXIT_RESUMABLE, BadInput, Stopped, one_line
from seekcli.grid.engine_settings import Settings

POLL_SECONDS = 1.0
ANSWER_SECONDS = 5.0  # of the address of a cluster
OBJECT_STORE_BYTES = 100_000_000  # of a cluster of our own: tasks hand over words, and no arrays


class RayEngine(Engine):
    """`settings` are those of [engine.ray]; `gpus` of each task may be a fraction. Raises BadInput for no cluster.

    `said` is by which flag or key the address was said.
    """

    def __init__(self, settings: Settings, gpus: float, said: str = "--ray-address") -> None:
        self.address, self.gpus = settings.get("address"), gpus
        self.cpus, self.most = settings.get("cpus_per_task", 1), settings.get("tasks")
        self.tasks: list[Any] = []
        if importlib.util.find_spec("ray") is None:
            raise BadInput("--engine ray needs ray: pip install 'seekcli[ray]'")
        if self.address is not None:
            require_answer(self.address, said)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        own = {} if self.address is not None else {"object_store_memory": OBJECT_STORE_BYTES}
        try:
            ray.init(self.address or "local", log_to_driver=False, logging_level="error", **own)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = "--engine ray" if self.address is None else f"{said} {self.address}"
            raise BadInput(f"{where}: {one_line(str(error))}") from None

    def slots(self, left: int) -> list[Slot]:
        """As many tasks as the cluster has room for, at most one for each run. Raises BadInput for no room."""
        import ray

        found = ray.cluster_resources()
        room = math.floor(found.get("CPU", 0) / self.cpus)
        if self.gpus:
            room = min(room, math.floor(found.get("GPU", 0) / self.gpus + 1e-9))
        if room < 1:
            wants = cpus_and_gpus(self.cpus, self.gpus)
            has = cpus_and_gpus(found.get("CPU", 0), found.get("GPU", 0))
            raise BadInput(f"--engine ray: a task wants {wants}, and the cluster has {has}")
        return [Slot(self.cpus)] * min(self.most or room, left)

    def submit(self, work: Work) -> None:
        import ray

        started = ray.remote(run_worker).options(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=-1)
        here = os.getcwd()
        self.tasks = [
            started.remote(work.words(number), work.order, slot.environment, here)
            for number, slot in enumerate(work.slots)
        ]

    def watch(self, stop_requested: StopRequested, tick: Callable[[], None] = lambda: None) -> None:
        import ray

        left = list(self.tasks)
        while left:
            tick()
            if reason := stop_requested():
                self.cancel()
                raise Stopped(f"{reason}: the runs that were under way are saved, the same command goes on")
            _, left = ray.wait(left, num_returns=len(left), timeout=POLL_SECONDS)
        tick()

    def cancel(self) -> None:
        """Returns when all have saved and left. Ray may crash of a task that is cancelled as it ends."""
        import ray

        _, left = ray.wait(self.tasks, num_returns=len(self.tasks), timeout=0) if self.tasks else ([], [])
        for task in left:
            ray.cancel(task)
        if left:
            ray.wait(left, num_returns=len(left))

    def complaint(self) -> str | None:
        import ray
        from ray.exceptions import RayError

        for task in self.tasks:
            try:
                code, said = ray.get(task, timeout=ANSWER_SECONDS)
            except RayError as error:
                return f"a task of Ray ended: {one_line(str(error))}"
            if code not in (0, 1):
                return f"a worker ended with exit code {code}: {said}"
        return None

    def __exit__(self, *_: object) -> None:
        import ray

        self.cancel()
        ray.shutdown()


def cpus_and_gpus(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU{'' if cpus == 1 else 's'} and {gpus:g} GPU{'' if gpus == 1 else 's'}"


def require_answer(address: str, said: str) -> None:
    """Raise BadInput where nobody listens at `HOST:PORT` or `ray://HOST:PORT`: Ray itself tries for a minute."""
    if address in ("auto", "local"):
        return
    host, sign, port = address.removeprefix("ray://").rpartition(":")
    if not sign or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise BadInput(f"{said} {address or repr(address)}: expected HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise BadInput(f"{said} {address} does not answer: {error.strerror or error}") from None


def run_worker(words: list[str], order: str, environment: dict[str, str], here: str) -> tuple[int, str]:
    """What a task does: the exit code of a worker, and its last words. It is told to save when the task is cancelled.

    A process of its own, since a task gets no signals; it saves and leaves too when the process of the task is killed.
    It is in the folder `here` of the command, where this node has that: settings may name files by their place in it.
    """
    # Ray cancels by Ctrl-C, which what was started by `nohup ... &` ignores, and this process with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryFile() as stderr:  # no pipe, which would be gone with the process of the task
        process = subprocess.Popen(
            [sys.executable, "-m", "seekcli", *words],
            env={**os.environ, **environment, STARTED_BY: str(os.getpid())},
            cwd=here if Path(here).is_dir() else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        with suppress(OSError), process.stdin:
            process.stdin.write(order)
        try:
            while process.poll() is None:  # a wait that sleeps in the system would see no cancelling
                time.sleep(POLL_SECONDS / 4)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            return EXIT_RESUMABLE, "cancelled"
        return process.returncode, last_line(stderr)


def last_line(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    lines = stderr.read().decode(errors="backslashreplace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
