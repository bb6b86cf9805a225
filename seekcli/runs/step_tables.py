"""The tables of steps and of classes of any runs: those of a run folder, or those beside a published table of epochs.

`RunFolder` reads one run folder; a published run has none. Here both are asked by run id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seekcli.errors import BadInput
from seekcli.runs.folder import RunFolder
from seekcli.runs.parquet import TableKind, read_table
from seekcli.runs.records import CLASS_TABLE, CLASSES, STEP_TABLE, STEPS, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RowNumbers = Mapping[str, list[int]]  # by run id


class StepTables:
    """`places` says of each run where it is: its folder, or the published table of epochs that holds it.

    Methods raise KeyError for a run that is not there, and BadInput, naming the file, for a damaged table.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self.places = places
        self._published = cache(_published)  # each file once

    def has_steps(self, run_id: str) -> bool:
        """True also where a table cannot be read: reading it says why."""
        return self._has(run_id, STEPS, STEP_TABLE)

    def has_classes(self, run_id: str) -> bool:
        return self._has(run_id, CLASSES, CLASS_TABLE)

    def steps(self, run_id: str) -> dict[str, list[Any]]:
        """As columns, one row an update."""
        place = self.places[run_id]
        if not place.is_file():
            return RunFolder(place, run_id).steps()
        columns: dict[str, list[Any]] = self._of_run(run_id, STEPS, STEP_TABLE).to_pydict()
        return columns

    def steps_of(self, run_id: str, role: str) -> NDArray[np.bool_]:
        """Which updates are of this role, in their order."""
        place = self.places[run_id]
        if not place.is_file():
            return RunFolder(place, run_id).steps_of(role)
        found: NDArray[np.bool_] = self._of_run(run_id, STEPS, STEP_TABLE).column("role").to_numpy() == role
        return found

    def classes(self, run_id: str) -> list[Row]:
        """One row a class of a split and role, of the last evaluation."""
        place = self.places[run_id]
        if not place.is_file():
            return RunFolder(place, run_id).classes()
        rows: list[Row] = self._of_run(run_id, CLASSES, CLASS_TABLE).to_pylist()
        return rows

    def _has(self, run_id: str, name: str, kind: TableKind) -> bool:
        place = self.places[run_id]
        if not place.is_file():
            return (place / name).is_file()
        if not (place.parent / name).is_file():
            return False
        try:
            return run_id in self._published(place.parent / name, kind)[1]
        except BadInput:
            return True

    def _of_run(self, run_id: str, name: str, kind: TableKind) -> pa.Table:
        table, rows = self._published(self.places[run_id].parent / name, kind)
        return table.take(rows[run_id])


def _published(path: Path, kind: TableKind) -> tuple[pa.Table, RowNumbers]:
    """A table of many runs, and which of its rows are of which run."""
    table = read_table(path, kind)
    rows: dict[str, list[int]] = defaultdict(list)
    for number, run_id in enumerate(table.column("run_id").to_pylist()):
        rows[run_id].append(number)
    return table, dict(rows)
