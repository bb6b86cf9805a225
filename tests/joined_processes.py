"""Work done in several processes that are joined over gloo, forked from the test: torch is imported once."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from seekcli.launched import Place
from seekcli.ranks import Ranks

SECONDS = 60.0


def in_processes(size: int, work: Callable[[Ranks], Any], patience: float = SECONDS) -> list[Any]:
    """What `work` gives in each: tensors and plain data; None of one that dies. They wait `patience` seconds in a step.

    A process that raises fails the test with its traceback.
    """
    with tempfile.TemporaryDirectory() as folder:
        return joined(size, Path(folder), work, patience)


def joined(
    size: int, folder: Path, work: Callable[[Ranks], Any], patience: float = SECONDS, restarts: int = 0
) -> list[Any]:
    children = [forked(Place(rank, size, rank, size, restarts), folder, work, patience) for rank in range(size)]
    until = time.monotonic() + SECONDS
    for child in children:
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                for each in children:
                    os.kill(each, signal.SIGKILL)
                raise AssertionError(f"processes still wait for each other after {SECONDS:g} s")
            time.sleep(0.005)
    problems = [path.read_text() for path in sorted(folder.glob("*.txt"))]
    assert not problems, "\n".join(problems)
    paths = [folder / f"{rank}.pt" for rank in range(size)]
    return [torch.load(path, weights_only=True) if path.exists() else None for path in paths]


def forked(own: Place, folder: Path, work: Callable[[Ranks], Any], patience: float) -> int:
    """The number of a child process that does the work and never comes back here."""
    child = os.fork()
    if child:
        return child
    try:  # whatever becomes of it, this process must not go on with the tests
        time.sleep(0.2 * own.rank * own.restarts)  # those of before are looked for first
        store = dist.FileStore(str(folder / "meeting"), own.size)
        torch.save(work(Ranks.meet(store, own, timedelta(seconds=patience))), folder / f"{own.rank}.pt")
    finally:
        if sys.exc_info()[0] is not None:
            (folder / f"{own.rank}.txt").write_text(f"process {own.rank}:\n{traceback.format_exc()}")
        os._exit(0)
