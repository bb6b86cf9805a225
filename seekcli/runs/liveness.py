"""Whether anybody writes to a run now: a run whose process was killed says "running" in its status for ever.

For whoever only reads: nothing is taken over here, and a folder that cannot be written to is judged as well.
"""

from __future__ import annotations

import time
from pathlib import Path

from seekcli.errors import HeldElsewhere, RunFailed
from seekcli.runs.lease import LEASE, require_no_owner

# As `require_no_owner` has it.
DEAD_AFTER_SECONDS = 60.0


def is_being_written(run_dir: Path) -> bool:
    """Whether a live process holds the lease of the folder; one of another host lives while its heart beats."""
    if not (run_dir / LEASE).exists():
        return False
    try:
        require_no_owner(run_dir, DEAD_AFTER_SECONDS)
    except HeldElsewhere:
        return True
    except RunFailed:  # the clock of a read-only file system cannot be asked: this host's own has to do
        return _beat_lately(run_dir)
    return False


def _beat_lately(run_dir: Path) -> bool:
    try:
        return abs(time.time() - (run_dir / LEASE).stat().st_mtime) <= DEAD_AFTER_SECONDS
    except OSError:
        return False
