"""What a user can be told: one clear line, and the exit code that goes with it. Imports nothing of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_RUN_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_RESUMABLE = 75
EXIT_INTERRUPTED = 130


class SeekError(Exception):
    """Anything that ends a command with one line on stderr and no traceback."""

    exit_code = EXIT_RUN_FAILED


class BadInput(SeekError, ValueError):
    """The user asked for something impossible: names the flag, file or key. Nothing was written."""

    exit_code = EXIT_BAD_INPUT


class RunFailed(SeekError):
    """A run started and could not finish (a non-finite loss, a full disk); finished work is kept."""

    exit_code = EXIT_RUN_FAILED


class Stopped(SeekError):
    """The run was asked to stop, saved its state, and can be resumed."""

    exit_code = EXIT_RESUMABLE


def unknown(what: str, word: str, choices: Iterable[str]) -> BadInput:
    """A BadInput that names the wrong word, the nearest valid one and, when they are few, all of them."""
    names = sorted(choices)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listing = f" (one of: {', '.join(names)})" if len(names) <= 12 else ""
    return BadInput(f"unknown {what} {word!r}{hint}{listing}")
