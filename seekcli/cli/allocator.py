"""Freed memory stays with this process: glibc would give a large tensor's pages back and take them anew each step.

Each page that comes anew is cleared and mapped by the kernel, which was a third of the time of a step of ResNet-20 at
batch 512 on a CPU (docs/speed.md). What a number is does not depend on where its memory comes from.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
# What is larger than this is a data set or a model, and goes back to the system.
LARGEST_KEPT_BYTES = 2**30
NEVER = -1


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """To be called where the process begins. False where it is not for us: no glibc, or the user has set malloc up."""
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in environment):
        return False
    if "glibc.malloc" in environment.get("GLIBC_TUNABLES", ""):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    # An older glibc takes no threshold over 32 MB: there, nothing is mapped by itself.
    kept = mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) or mallopt(M_MMAP_MAX, 0)
    return bool(kept and mallopt(M_TRIM_THRESHOLD, NEVER))
