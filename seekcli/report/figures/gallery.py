"""All pictures of one cell, in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seekcli.analysis.activity import AroundSwitch, Epoch, StepRow, around_switches, read_run, would_be
from seekcli.analysis.classes import Damaged, class_differences, refused
from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.history import Places, epoch_rows
from seekcli.config.layers import DEFAULTS
from seekcli.errors import BadInput
from seekcli.report import wording
from seekcli.report.figures import activity, classes, cost, curves, differences
from seekcli.report.figures.canvas import Picture
from seekcli.report.figures.raster import runs_raster
from seekcli.runs.folder import RunFolder

# The losses of so many runs of a group are read: a long run has a hundred thousand steps.
MOST_RUNS = 5
# Of all arms together: more rows no eye compares.
MOST_ROWS = 60


def pictures_of(cell: Cell, places: Places, damaged: Damaged = refused) -> list[Picture]:
    """What a cell has the records for; steps and classes are read from run folders, not from published tables.

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
    """All runs, `share`, then the traces of each arm's first seed; around the switches all arms beside base alone."""
    traces: list[Picture | None] = []
    around: dict[str, Sequence[AroundSwitch]] = {}
    for arm in cell.arms:
        runs = {} if arm.grown else _steps(arm.base, places, damaged)
        if runs:
            seed, first = next(iter(runs.items()))
            traces.append(activity.loss_trace(f"{arm.label}, seed {seed}", first))
            around[arm.label] = around_switches(runs.values())
    controls = []
    for k in sorted({_k(arm) for arm in cell.arms if _condition(arm) == "loss"}):
        if cell.x_c is not None:
            controls.append(f"base alone, where loss k={k} would have switched")
            alone = _steps(cell.x_c, places, damaged).values()
            around[controls[-1]] = around_switches(would_be(epochs, k) for epochs in alone)
    return [_raster(cell, places, damaged), share, *traces, activity.around(around, controls)]


def _raster(cell: Cell, places: Places, damaged: Damaged) -> Picture | None:
    """A row a run; of one run alone a row an epoch. None where no run has its steps."""
    arms = {arm.label: arm.base for arm in cell.arms if not arm.grown}
    recorded = {
        label: {
            seed: RunFolder(places[run_id], run_id)
            for seed, run_id in zip(group.seeds, group.run_ids, strict=True)
            if RunFolder(places[run_id]).steps_path.is_file()
        }
        for label, group in arms.items()
    }
    chosen = _some_of(recorded, MOST_ROWS)
    rows = []
    for label, seed in chosen:
        try:
            rows.append(StepRow(label, seed, recorded[label][seed].steps_of("motivated")))
        except BadInput as error:
            damaged(error)
    if not rows:
        return None
    if len(rows) == 1:
        [only] = rows
        return activity.raster(f"{only.arm}, seed {only.seed}", read_run(recorded[only.arm][only.seed]))
    missing = {label: sorted(set(group.seeds) - set(recorded[label])) for label, group in arms.items()}
    left_out = {label: [seed for seed in runs if (label, seed) not in chosen] for label, runs in recorded.items()}
    notes = [
        f"{len(chosen)} of {sum(map(len, recorded.values()))} runs are drawn; not drawn: {_named(left_out)}."
        if any(left_out.values())
        else "",
        f"Without recorded steps: {_named(missing)}." if any(missing.values()) else "",
    ]
    return runs_raster(rows, " ".join(filter(None, notes)))


def _some_of(recorded: Mapping[str, Mapping[int, RunFolder]], most: int) -> list[tuple[str, int]]:
    """Of every arm its first seed, then the second, ... until there are so many; in the order of the arms."""
    ranked = [(rank, label, seed) for label, runs in recorded.items() for rank, seed in enumerate(runs)]
    chosen = {(label, seed) for _, label, seed in sorted(ranked, key=lambda one: one[0])[:most]}
    return [(label, seed) for _, label, seed in ranked if (label, seed) in chosen]


def _named(seeds: Mapping[str, Sequence[int]]) -> str:
    """`loss k=2 identity: seeds 3-9; loss k=3 identity: seeds 4-9`"""
    return "; ".join(
        f"{label}: seed{'' if len(left) == 1 else 's'} {wording.seed_list(left)}"
        for label, left in seeds.items()
        if left
    )


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
