"""Who reads what a command prints may go away: the other side of a pipe, a terminal that is hung up.

A command that reads ends then, as there is nobody to answer. A command that trains goes on without output: its numbers
are in the run folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class ReaderGone(Exception):
    """Nobody reads the output any more. No OSError: typer and rich would make exit code 1 of that."""


class Stream:
    """An output that tells of a reader who has gone by ReaderGone."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self.noticing():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self.noticing():
            self.stream.flush()

    @contextmanager
    def noticing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            to_nowhere(self.stream)
            raise ReaderGone from None


class LossyStream(Stream):
    """An output that never fails: what cannot be written is lost, and so is all that comes after it."""

    @contextmanager
    def noticing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ReaderGone):
            to_nowhere(self.stream)


@contextmanager
def noticing_readers() -> Iterator[None]:
    """Inside, output that nobody reads any more raises ReaderGone; messages on stderr are lost then."""
    with replaced(Stream(sys.stdout), LossyStream(sys.stderr)):
        yield


@contextmanager
def outliving_readers() -> Iterator[None]:
    """Inside, no failing output disturbs the work, whoever prints it: a line, JSON, or the live display of rich."""
    with replaced(LossyStream(sys.stdout), LossyStream(sys.stderr)):
        yield


@contextmanager
def replaced(stdout: Any, stderr: Any) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = stdout, stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def to_nowhere(stream: Any) -> None:
    """Let the stream write to /dev/null from now on: what it still holds would fail again when Python ends."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def closed_streams_are_nowhere() -> None:
    """A stream that was closed when the program started (`>&-`) is none for Python: it leads to nowhere instead."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
