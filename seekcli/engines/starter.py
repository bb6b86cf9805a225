"""A worker that was started by a process which may be killed: it notices that it is alone, and saves and leaves."""

from __future__ import annotations

import os

# In the environment of a worker: the process that started it.
STARTED_BY = "SEEK_STARTED_BY"


def reason_alone() -> str | None:
    """Why to stop, in words, once the process that started this one is gone."""
    starter = os.environ.get(STARTED_BY)
    gone = starter is not None and starter.isdecimal() and os.getppid() != int(starter)
    return "stopped, since the process that started this worker is gone" if gone else None
