"""Looks at the files of many runs, several at a time where the file system lets each wait, as one on a network does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from itertools import islice
from typing import TypeVar

# Of each part the first looks are made one by one, and timed.
PART, TIMED = 256, 8
LONG_WAIT_SECONDS = 0.002  # a look; a disk of this machine answers sooner
THREADS = 16

In = TypeVar("In")
Out = TypeVar("Out")


def overlapped(look: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`look(item)` of each, in their order. What a look raises is raised here, and no more looks begin.

    Looks may run in threads of the same context at once, so they must not depend on each other. Threads help where
    looks wait, and cost time where they compute: one at a time runs Python.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(THREADS, "look") as pool:
        while part := list(islice(waiting, PART)):
            wall, computed = time.perf_counter(), time.thread_time()
            first = [look(item) for item in part[:TIMED]]
            waited = (time.perf_counter() - wall) - (time.thread_time() - computed)
            yield from first
            rest = part[TIMED:]
            if waited / len(first) < LONG_WAIT_SECONDS:
                yield from map(look, rest)
            else:
                contexts: list[Context] = [copy_context() for _ in rest]
                yield from pool.map(lambda context, item: context.run(look, item), contexts, rest)
