"""`seek` processes that can be watched, killed, paused and kept short of disk.

Nearly all of them are forked from the storm, which has imported everything that `seek` imports: one starts in
milliseconds and not in seconds. `real=True` starts a new interpreter, as a shell does.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What `seek train`, `compare`, `export` and `evaluate` import while they run.
IMPORTED_FIRST = (
    *("cli.app", "cli.outcomes", "engines.local", "grid.plan", "grid.tune", "runs.older_runs", "resolve.plan"),
    *("report.run_summary", "report.terminal", "report.data", "export.formats", "export.load", "data.sets.sources"),
)
LIBRARIES = ("torchvision", "sklearn.datasets", "sklearn.model_selection", "fvcore.nn", "scipy.stats", "pandas")
# A case on a loaded machine may take its time; who is still there after this has hung.
HANG_SECONDS = 120.0
MEMORY_BYTES = 8 * 2**30
NOTHING: Callable[[], None] = lambda: None  # noqa: E731


@dataclass(frozen=True)
class Ended:
    """How a process ended. The code of one that was killed is minus the signal, as `subprocess` has it."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    hung: bool = False

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def problem(self, *allowed: int) -> str:
        """What is wrong with this end whatever was asked for; empty where nothing is."""
        said = f" ({' '.join(self.words)}): {self.stderr[-600:]}"
        if self.hung:
            return f"hung{said}"
        if self.code not in allowed:
            return f"exit code {self.code}{said}"
        for word in ("Traceback (most recent call last)", "please report it", "Fatal Python error"):
            if word in self.output:
                return f"{word!r} printed{said}"
        lines = len(re.findall(r"^seek: error: ", self.stderr, re.MULTILINE))
        if self.words[0] == "compare" and self.code == 2 and "seek: not counted" in self.stderr:
            return ""  # the others are shown
        several = self.words[0] in ("doctor", "grid")  # a line for each thing that is found, each error of a grid file
        if self.code in (1, 2) and (lines < 1 if several else lines != 1):
            return f"{lines} lines of error with exit code {self.code}{said}"
        return ""


class Seek:
    """A `seek` process that runs."""

    def __init__(self, words: Sequence[str], pid: int, outputs: tuple[int, int]) -> None:
        self.words, self.pid, self.outputs, self.there = tuple(words), pid, outputs, True

    def send(self, number: int) -> None:
        """Send a signal; one that has just ended (and was not waited for yet) takes no notice."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = HANG_SECONDS) -> Ended:
        deadline = time.monotonic() + seconds
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)  # a paused one dies too
                os.waitpid(self.pid, 0)
                return self._ended(-signal.SIGKILL, hung=True)
            time.sleep(0.005)
        return ended

    def wait_until_paused(self, seconds: float = HANG_SECONDS) -> Ended | None:
        """None when it is paused, or how it ended where it never was."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return None
            if pid:
                return self._ended(os.waitstatus_to_exitcode(status))
            time.sleep(0.005)
        return self.wait(0)

    def end(self) -> None:
        """Kill it where it is still there."""
        if self.there:
            self.send(signal.SIGKILL)
            self.wait()

    def poll(self) -> Ended | None:
        """None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return self._ended(os.waitstatus_to_exitcode(status)) if pid else None

    def _ended(self, code: int, hung: bool = False) -> Ended:
        hung = hung or code == -signal.SIGXCPU
        self.there, texts = False, []
        for handle in self.outputs:
            texts.append(os.pread(handle, os.fstat(handle).st_size, 0).decode(errors="replace"))
            os.close(handle)
        return Ended(self.words, code, texts[0], texts[1], hung)


def import_all() -> None:
    """Once, before the first process is forked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*LIBRARIES, *(f"seekcli.{name}" for name in IMPORTED_FIRST)):
            importlib.import_module(name)


def start(
    words: Sequence[object], *, prepare: Callable[[], None] = NOTHING, real: bool = False, cpu_seconds: int = 0
) -> Seek:
    """Start `seek WORDS`. `prepare` runs in the forked process before anything of seek's does."""
    texts = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in words]
    outputs = (nameless_file(), nameless_file())
    if real:
        command = [sys.executable, "-m", "seekcli", *texts]
        process = subprocess.Popen(command, stdout=outputs[0], stderr=outputs[1], start_new_session=True)
        process.returncode = 0  # we wait for it ourselves
        return Seek(texts, process.pid, outputs)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        _be_seek(texts, outputs, prepare, cpu_seconds)
    return Seek(texts, pid, outputs)


def nameless_file() -> int:
    handle, name = tempfile.mkstemp()
    os.unlink(name)
    return handle


def seek(
    *words: object, prepare: Callable[[], None] = NOTHING, cpu_seconds: int = 0, seconds: float = HANG_SECONDS
) -> Ended:
    """Run `seek WORDS` to its end."""
    return start(words, prepare=prepare, cpu_seconds=cpu_seconds).wait(seconds)


def _be_seek(words: list[str], outputs: tuple[int, int], prepare: Callable[[], None], cpu_seconds: int) -> None:
    """In the forked process: become `seek`. Never returns."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for number, handle in enumerate(outputs, start=1):
            os.dup2(handle, number)
        sys.stdout = sys.__stdout__ = writer(1, "strict")
        sys.stderr = sys.__stderr__ = writer(2, "backslashreplace")
        sys.argv = ["seek", *words]
        if cpu_seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
        from seekcli.cli.app import main

        prepare()
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:  # noqa: BLE001 (what a Python that ends does)
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 120  # as Python has it
        os._exit(code)


def writer(number: int, errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w")), encoding="utf-8", errors=errors)


def limit_memory() -> None:
    """So that a case that asks for a terabyte is refused by the system, and the machine lives on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def limit_file_size(limit_bytes: int) -> None:
    """As `ulimit -f`: a larger file cannot be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


def signal_at_write(folder: Path, at: int, number: int) -> None:
    """Send this process a signal right before its `at`-th system call that changes something below `folder`.

    Python tells of opens, renames, links and removals before it asks the system for them.
    """
    below, count = str(folder), 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event not in WRITES or not arguments or not str(arguments[0]).startswith(below):
            return
        if event == "open" and arguments[1] is not None and not set(str(arguments[1])) & set("wax+"):
            return
        count += 1
        if count == at:
            os.kill(os.getpid(), number)

    sys.addaudithook(watch)


WRITES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "os.utime", "shutil.rmtree"}


def shorten_leases(beat_seconds: float, dead_after_seconds: float) -> None:
    """A lease that is dead after half a second, and not after a minute, makes a pause short."""
    from seekcli.runs import lease

    lease.Lease.acquire.__func__.__defaults__ = (beat_seconds, dead_after_seconds)  # type: ignore[attr-defined]
    lease.require_no_owner.__defaults__ = (dead_after_seconds,)
