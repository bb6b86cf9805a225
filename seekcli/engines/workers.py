"""Several processes on this machine that work through one list of runs: each takes what no other has, by its lease.

A worker is the same command again, so that one that is killed is replaced by starting the command anew, and workers on
other machines are no different. What they did is read from the run folders.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from seekcli.config.layers import Resolved
from seekcli.engines.engine import Engine, StopRequested, Work
from seekcli.errors import BadInput, Stopped
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import RunStatus

POLL_SECONDS = 1.0  # every status is read, which is little against a run
LAST_LINES = 20


class Workers(Engine):
    """The engine `local`. `tell` is given every line that a worker writes to its standard error."""

    def __init__(self, tell: Callable[[str], None] = lambda line: None) -> None:
        self.tell = tell
        self.processes: list[subprocess.Popen[str]] = []
        self.last_lines: list[deque[str]] = []

    def submit(self, work: Work) -> None:
        for number, slot in enumerate(work.slots):
            process = subprocess.Popen(
                [sys.executable, "-m", "seekcli", *work.words(number)],
                env={**os.environ, **slot.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
                start_new_session=True,  # a Ctrl-C of the terminal is passed on once, by this process
            )
            lines: deque[str] = deque(maxlen=LAST_LINES)
            threading.Thread(target=_keep, args=(process, lines, self.tell), daemon=True).start()
            threading.Thread(target=_hand, args=(process, work.order), daemon=True).start()
            self.processes.append(process)
            self.last_lines.append(lines)

    @property
    def alive(self) -> int:
        return sum(process.poll() is None for process in self.processes)

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def cancel(self) -> None:
        """Returns when all have saved and left."""
        self.ask_to_stop()
        for process in self.processes:
            process.wait()

    def watch(self, stop_requested: StopRequested, tick: Callable[[], None] = lambda: None) -> None:
        while self.alive:
            tick()
            if reason := stop_requested():
                self.cancel()
                raise Stopped(f"{reason}: the runs that were under way are saved, the same command goes on")
            time.sleep(POLL_SECONDS)
        tick()

    def complaint(self) -> str | None:
        """The last words of a worker that ended for another reason than a run that failed; None where none did."""
        for process, lines in zip(self.processes, self.last_lines, strict=True):
            if process.returncode not in (0, 1):
                said = lines[-1] if lines else "it said nothing"
                words = f"a worker ended with exit code {process.returncode}: {said}"
                return f"{words}; this process goes on with what is left"
        return None


def _keep(process: subprocess.Popen[str], lines: deque[str], tell: Callable[[str], None]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line.strip())
        tell(line.rstrip())


def _hand(process: subprocess.Popen[str], order: str) -> None:
    assert process.stdin is not None
    with suppress(OSError), process.stdin:  # one that dies at once reads nothing
        process.stdin.write(order)


def statuses_of(results: Path, runs: Sequence[Resolved]) -> Mapping[str, RunStatus]:
    """Run id -> status of the runs that have one that can be read."""
    found = {}
    for one in runs:
        folder = RunFolder.of(results, one.config)
        with suppress(BadInput):
            found[folder.path.name] = folder.status()
    return found
