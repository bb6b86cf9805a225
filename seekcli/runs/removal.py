"""A run is removed by whoever holds its lease: nobody writes into a folder that goes away."""

from __future__ import annotations

from pathlib import Path

from seekcli import files
from seekcli.errors import BadInput, BadInputs
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import Lease
from seekcli.runs.named_runs import find_run


def folders_to_remove(names: list[str], out: Path) -> list[Path]:
    """Each once. Raises BadInput for all that are no runs, with the nearest ones, and for those that run."""
    found: dict[Path, Path] = {}
    wrong: list[str] = []
    for name in names:
        try:
            folder = find_run(name, out)
            if RunFolder(folder).is_being_written:
                raise BadInput(f"{folder.name} is running: it is left as it is, and so is everything else")
            found.setdefault(folder.resolve(), folder)
        except BadInput as error:
            wrong.append(str(error))
    if wrong:
        raise BadInputs(wrong)
    return list(found.values())


def remove_run(folder: Path) -> None:
    """Remove the folder and all that is in it. Raises HeldElsewhere where a live process writes to it, RunFailed."""
    with Lease.acquire(folder) as lease:
        files.remove(folder, lease.check)
