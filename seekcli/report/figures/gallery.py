"""All pictures of one cell, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.activity import AroundSwitch, Epoch, around_switches, read_run, would_be
from seekcli.analysis.classes import Damaged, class_differences, refused
from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.history import Places, epoch_rows
from seekcli.config.layers import DEFAULTS
from seekcli.errors import BadInput
from seekcli.report.figures import activity, classes, cost, curves, differences
from seekcli.report.figures.canvas import Picture
from seekcli.runs.folder import RunFolder

# The steps of so many runs of a group are read: a long run has a hundred thousand.
MOST_RUNS = 5


def pictures_of(cell: Cell, places: Places, damaged: Damaged = refused) -> list[Picture]:
    """What a cell has the records for; published findings hold no steps.

    Raises BadInput for a damaged table of epochs. Of a damaged one of steps or classes `damaged` is told, and the
    pictures are drawn without that run.
    """
    rows = epoch_rows(cell.groups, places)
    found = [
        differences.forest(cell),
        cost.accuracy_against_compute(cell),
        curves.learning_curves(cell, rows),
        *_of_steps(cell, places, damaged, curves.share_by_epoch(cell, rows)),
        curves.usage_by_epoch(cell, rows),
        *_of_classes(cell, places, damaged),
        cost.cost_split(cell),
    ]
    return [picture for picture in found if picture is not None]


def _of_steps(cell: Cell, places: Places, damaged: Damaged, share: Picture | None) -> list[Picture | None]:
    """Rasters, `share`, then the traces, of each arm's first seed; around the switches all arms beside base alone."""
    rasters: list[Picture | None] = []
    traces: list[Picture | None] = []
    around: dict[str, Sequence[AroundSwitch]] = {}
    for arm in cell.arms:
        runs = {} if arm.grown else _steps(arm.base, places, damaged)
        if runs:
            seed, first = next(iter(runs.items()))
            name = f"{arm.label}, seed {seed}"
            rasters.append(activity.raster(name, first))
            traces.append(activity.loss_trace(name, first))
            around[arm.label] = around_switches(runs.values())
    controls = []
    for k in sorted({_k(arm) for arm in cell.arms if _condition(arm) == "loss"}):
        if cell.x_c is not None:
            controls.append(f"base alone, where loss k={k} would have switched")
            alone = _steps(cell.x_c, places, damaged).values()
            around[controls[-1]] = around_switches(would_be(epochs, k) for epochs in alone)
    return [*rasters, share, *traces, activity.around(around, controls)]


def _steps(group: Group, places: Places, damaged: Damaged) -> dict[int, list[Epoch]]:
    """By seed."""
    found = {}
    for seed, run_id in list(zip(group.seeds, group.run_ids, strict=True))[:MOST_RUNS]:
        folder = RunFolder(places[run_id], run_id)
        if not folder.steps_path.is_file():
            continue
        try:
            found[seed] = read_run(folder)
        except BadInput as error:
            damaged(error)
    return found


def _condition(arm: Arm) -> str:
    return str(arm.base.settings.arm.get("motivation.condition", DEFAULTS["motivation.condition"]))


def _k(arm: Arm) -> int:
    return int(arm.base.settings.arm.get("motivation.k") or DEFAULTS["motivation.k"])


def _of_classes(cell: Cell, places: Places, damaged: Damaged) -> list[Picture | None]:
    if cell.x_c is None or not cell.metric.of_the_paper:
        return []
    return [
        classes.by_class(f"base, {arm.label} - base alone", class_differences(arm.base, cell.x_c, places, damaged))
        for arm in cell.arms
        if not arm.grown
    ]
