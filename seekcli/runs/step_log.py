"""The updates of a run so far, kept compact in memory: each epoch adds its own, and the whole table is written again.

Arrow cannot append to a parquet file, and other programs would not read a table in several files as one. What is left
is to make the writing cheap: only new rows are checked, no row is a Python object, text is kept as numbers, and numbers
that never repeat are not looked up in a dictionary. docs/speed.md has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from seekcli import files
from seekcli.runs.parquet import MAX_INT64, as_table, write_parquet
from seekcli.runs.records import STEP_SCHEMA, STEP_TABLE, check_step_names

# A run that is killed and one that is not write the same bytes: where a row group ends depends on the rows alone.
ROWS_PER_GROUP = 2**17
MOST_CHUNKS = 64
REPEATING = ("run_id", "epoch", "role")
COMPACT = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int8(), pa.string())) if pa.types.is_string(field.type) else field
        for field in STEP_SCHEMA
    ]
)


class StepLog:
    """The step table of one run, in the order of its updates; 30 bytes an update."""

    def __init__(self, table: pa.Table | None = None) -> None:
        """`table` has the columns of the step table, checked: what is recorded already."""
        self.table = COMPACT.empty_table() if table is None else _compact(table)

    def __len__(self) -> int:
        return len(self.table)

    def steps(self) -> int:
        """How many steps the updates are of: the two models of a growing run share some."""
        steps = np.sort(self.table.column("step").to_numpy())
        return int(np.count_nonzero(np.diff(steps))) + (len(steps) > 0)

    def until(self, epoch: int) -> StepLog:
        """The updates of epochs 1 to `epoch`."""
        return StepLog(self.table.filter(pa.array(self.table.column("epoch").to_numpy() <= epoch)))

    def after(self, epoch: int) -> dict[str, list[Any]]:
        """The updates of the epochs after `epoch`, by column."""
        columns: dict[str, list[Any]] = self.table.filter(
            pa.array(self.table.column("epoch").to_numpy() > epoch)
        ).to_pydict()
        return columns

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Add the updates of one epoch.

        Raises ValueError for a wrong column, a null, an update twice, or steps that do not come after those before.
        """
        check_step_names(columns)
        new = as_table(columns, STEP_TABLE)
        if len(self) and min(columns["step"], default=MAX_INT64) <= self._last_step():
            raise ValueError(f"step {min(columns['step'])} comes after step {self._last_step()}")
        self.table = pa.concat_tables([self.table, _compact(new)])
        if self.table.column("step").num_chunks > MOST_CHUNKS:
            self.table = _one_chunk(self.table)

    def write(self, path: Path, check: files.Check = files.unshared) -> None:
        """Replace the table on disk, atomically."""
        writer = partial(write_parquet, schema=STEP_SCHEMA, parts=self._groups(), repeating=REPEATING)
        files.write_with(path, writer, check)

    def _last_step(self) -> int:
        found: int = self.table.column("step")[-1].as_py()
        return found

    def _groups(self) -> Iterator[pa.Table]:
        for first in range(0, max(1, len(self)), ROWS_PER_GROUP):
            yield _one_chunk(self.table.slice(first, ROWS_PER_GROUP))


def _compact(table: pa.Table) -> pa.Table:
    return table.select(COMPACT.names).cast(COMPACT)


def _one_chunk(table: pa.Table) -> pa.Table:
    """Text is a place in a list of its values, and each chunk may have another list."""
    return table.unify_dictionaries().combine_chunks()
