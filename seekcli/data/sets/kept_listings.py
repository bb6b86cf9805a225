"""A folder is listed once while one plan is made, or one run starts, however often it is asked for there.

Nothing is kept beyond that: between two runs files may change, and the next run has to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_kept: ContextVar[dict[Hashable, Any] | None] = ContextVar("what was found out of folders", default=None)


@contextmanager
def listings_kept(anew: bool = False) -> Iterator[None]:
    """What is found out of a folder inside stands until the end of it. Around it another one may stand already.

    With `anew` nothing counts that was found out before.
    """
    before = _kept.get()
    token = _kept.set({} if anew or before is None else before)
    try:
        yield
    finally:
        _kept.reset(token)


def kept(key: Hashable, find: Callable[[], T]) -> T:
    """What `find` gives, found once for this key inside `listings_kept`; outside of it, found each time."""
    found = _kept.get()
    if found is None:
        return find()
    if key not in found:
        found[key] = find()
    return found[key]
