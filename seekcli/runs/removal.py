"""A run is removed by whoever holds its lease: nobody writes into a folder that goes away."""

from __future__ import annotations

from pathlib import Path

from seekcli import files
from seekcli.runs.lease import Lease


def remove_run(folder: Path) -> None:
    """Remove the folder and all that is in it. Raises HeldElsewhere where a live process writes to it, RunFailed."""
    with Lease.acquire(folder) as lease:
        files.remove(folder, lease.check)
