"""All pictures of one cell, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.activity import AroundSwitch, Epoch, around_switches, read_run, would_be
from seekcli.analysis.classes import class_differences
from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.history import Places, epoch_rows
from seekcli.config.layers import DEFAULTS
from seekcli.report.figures import activity, classes, cost, curves, differences
from seekcli.report.figures.canvas import Picture
from seekcli.runs.folder import RunFolder

# The steps of so many runs of a group are read: a long run has a hundred thousand.
MOST_RUNS = 5


def pictures_of(cell: Cell, places: Places) -> list[Picture]:
    """What a cell has the records for; published findings hold no steps. Raises BadInput for a damaged table."""
    rows = epoch_rows(cell.groups, places)
    found = [
        differences.forest(cell),
        cost.accuracy_against_compute(cell),
        curves.learning_curves(cell, rows),
        curves.share_by_epoch(cell, rows),
        *_of_steps(cell, places),
        curves.usage_by_epoch(cell, rows),
        *_of_classes(cell, places),
        cost.cost_split(cell),
    ]
    return [picture for picture in found if picture is not None]


def _of_steps(cell: Cell, places: Places) -> list[Picture | None]:
    """Raster and trace of each arm's first seed; around the switches all arms beside the base alone."""
    pictures: list[Picture | None] = []
    around: dict[str, Sequence[AroundSwitch]] = {}
    for arm in cell.arms:
        runs = [] if arm.grown else _steps(arm.base, places)
        if runs:
            name = f"{arm.label}, seed {arm.base.seeds[0]}"
            pictures += [activity.raster(name, runs[0]), activity.loss_trace(name, runs[0])]
            around[arm.label] = around_switches(runs)
    controls = []
    for k in sorted({_k(arm) for arm in cell.arms if _condition(arm) == "loss"}):
        if cell.x_c is not None:
            controls.append(f"base alone, where loss k={k} would have switched")
            around[controls[-1]] = around_switches(would_be(epochs, k) for epochs in _steps(cell.x_c, places))
    return [*pictures, activity.around(around, controls)]


def _steps(group: Group, places: Places) -> list[list[Epoch]]:
    folders = [RunFolder(places[run_id], run_id) for run_id in group.run_ids[:MOST_RUNS]]
    return [read_run(folder) for folder in folders if folder.steps_path.is_file()]


def _condition(arm: Arm) -> str:
    return str(arm.base.settings.arm.get("motivation.condition", DEFAULTS["motivation.condition"]))


def _k(arm: Arm) -> int:
    return int(arm.base.settings.arm.get("motivation.k") or DEFAULTS["motivation.k"])


def _of_classes(cell: Cell, places: Places) -> list[Picture | None]:
    if cell.x_c is None or not cell.metric.of_the_paper:
        return []
    return [
        classes.by_class(f"base, {arm.label} - base alone", class_differences(arm.base, cell.x_c, places))
        for arm in cell.arms
        if not arm.grown
    ]
