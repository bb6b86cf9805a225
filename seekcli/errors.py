"""What a user can be told: one clear line, and the exit code that goes with it. Imports nothing of ours."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Sequence

EXIT_RUN_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_RESUMABLE = 75
EXIT_INTERRUPTED = 130


# Set in the environment, it brings back the traceback of an error that nobody foresaw.
TRACEBACK = "SEEK_TRACEBACK"


class SeekError(Exception):
    """Anything that ends a command with one line on stderr and no traceback."""

    exit_code = EXIT_RUN_FAILED


class BadInput(SeekError, ValueError):
    """The user asked for something impossible: names the flag, file or key. Nothing was written."""

    exit_code = EXIT_BAD_INPUT


class NewerFile(BadInput):
    """A file that a later version of this program wrote, in a form that this one does not know."""


class DamagedRun(BadInput):
    """A run folder is not as a run leaves it: something in it is damaged, foreign or gone."""


class HeldElsewhere(BadInput):
    """Another process that lives writes to this run folder: `owner`, such as "process 7 on box"."""

    def __init__(self, message: str, owner: str = "") -> None:
        super().__init__(message)
        self.owner = owner


class RunFailed(SeekError):
    """A run started and could not finish (a non-finite loss, a full disk); finished work is kept."""

    exit_code = EXIT_RUN_FAILED


class LostLease(RunFailed):
    """Another process took the run over, since this one gave no sign of life for a while."""


class Stopped(SeekError):
    """The run was asked to stop, saved its state, and can be resumed."""

    exit_code = EXIT_RESUMABLE


def unforeseen(error: BaseException) -> str:
    """One line for an error that nobody foresaw: a traceback tells a user nothing."""
    return f"{type(error).__name__}: {error} (unexpected: please report it; {TRACEBACK}=1 shows where)"


def unknown(what: str, word: str, choices: Iterable[str]) -> BadInput:
    """A BadInput that names the wrong word, the nearest valid one and, when they are few, all of them."""
    names = sorted(choices)
    close = nearest(word, names)
    hint = f"; did you mean {close!r}?" if close else ""
    listing = f" (one of: {', '.join(names)})" if len(names) <= 12 else ""
    return BadInput(f"unknown {what} {word!r}{hint}{listing}")


def nearest(word: str, names: Sequence[str]) -> str | None:
    """The name most like the word; of equally like ones the one that begins like it (resnet21 is near resnet20)."""
    close = difflib.get_close_matches(word, names, n=5, cutoff=0.4)

    def likeness(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, word).ratio(), sum(
            1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, word, strict=False))
        )

    return max(close, key=likeness, default=None)
