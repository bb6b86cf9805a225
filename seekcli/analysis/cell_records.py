"""What the runs of one cell recorded, by epoch, step and class: read when a picture asks for it, each table once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from seekcli.analysis.activity import Epoch, StepRow, epochs_of_run
from seekcli.analysis.classes import ClassDifference, Damaged, class_differences, refused
from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.history import Places, RowsByRun, epoch_rows
from seekcli.errors import BadInput
from seekcli.runs.step_tables import StepTables

# The losses of so many runs of a group are read: a long run has a hundred thousand steps.
MOST_RUNS = 5


class CellRecords:
    """`places` says where each run is: in its folder or in a published table. Of a damaged table of steps or classes
    `damaged` is told; that of epochs raises BadInput."""

    def __init__(self, cell: Cell, places: Places, damaged: Damaged = refused) -> None:
        self.cell, self.tables, self.damaged = cell, StepTables(places), damaged
        self._losses: dict[tuple[str, ...], dict[int, list[Epoch]]] = {}

    @cached_property
    def rows(self) -> RowsByRun:
        """Those of the epochs."""
        return epoch_rows(self.cell.groups, self.tables.places)

    @property
    def alternating(self) -> list[Arm]:
        """Arms with turns: of a growing run nothing alternates."""
        return [arm for arm in self.cell.arms if not arm.grown]

    def epochs_by_seed(self, group: Group) -> Mapping[int, Sequence[Epoch]]:
        """The steps of the group's first runs that have them."""
        if group.run_ids not in self._losses:
            self._losses[group.run_ids] = found = {}
            for seed, run_id in list(group.run_by_seed.items())[:MOST_RUNS]:
                if (epochs := self.epochs(run_id)) is not None:
                    found[seed] = epochs
        return self._losses[group.run_ids]

    def epochs(self, run_id: str) -> list[Epoch] | None:
        """The steps of a run; None where it has none that can be read."""
        if not self.tables.has_steps(run_id):
            return None
        try:
            return epochs_of_run(self.tables.steps(run_id))
        except BadInput as error:
            self.damaged(error)
            return None

    def seeds_with_steps(self, group: Group) -> list[int]:
        return [seed for seed, run_id in group.run_by_seed.items() if self.tables.has_steps(run_id)]

    def step_row(self, arm: Arm, seed: int) -> StepRow | None:
        """Which steps the larger model took; None where the table is damaged."""
        run_id = arm.base.run_by_seed[seed]
        try:
            return StepRow(arm.label, seed, run_id, self.tables.steps_of(run_id, "motivated"))
        except BadInput as error:
            self.damaged(error)
            return None

    def class_differences(self, left: Group, right: Group) -> list[ClassDifference]:
        return class_differences(left, right, self.tables, self.damaged)
