"""Records -> `Comparison`: cells of groups (X-C, X-Y-B, X-Y-M, Y-C), their differences in words, and notes.

Nothing here prints or rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seekcli.analysis.arm_labels import arm_labels
from seekcli.analysis.as_trained import as_trained_notes
from seekcli.analysis.cell_notes import missing, unequal_compute, unequal_seeds
from seekcli.analysis.contrasts import Contrast, contrasts_of
from seekcli.analysis.equal_compute import ClassicRuns, same_compute_runs
from seekcli.analysis.grouping import (
    RunCell,
    changed_from_recipe,
    group_runs,
    varied_settings,
    without_conflicts,
    without_duplicates,
)
from seekcli.analysis.groups import (
    X_C,
    X_C_EQUAL,
    Y_C,
    Y_C_EQUAL,
    Arm,
    ForwardCost,
    Group,
    classic_group,
    make_arm,
    recorded_macs,
)
from seekcli.analysis.left_out import FOLD, LeftOut
from seekcli.analysis.metrics import METRICS, Metric, Scale, held, refuse_mixed, require_metric, scale_of
from seekcli.analysis.own_sources import told_apart
from seekcli.analysis.runs import ArmSettings, Run, load_runs
from seekcli.analysis.selection import Where, select
from seekcli.config.settings import pair_name
from seekcli.errors import BadInput
from seekcli.runs.records import own_columns
from seekcli.runs.scan import RunSummary

MACS, PAPER = "macs", "paper"
SAME_UPDATES = (
    "base alone, update by update: base - base alone is 0 by construction, no test and in no family, "
    "so that the other rows of this arm are exploratory"
)


@dataclass(frozen=True)
class Cell:
    """One pair under one set of settings.

    `pair` is None where one model was trained alone. `marks` are the settings worth naming: those that are not the
    recipe's own, and those that tell this cell from another one of the same pair and data.
    """

    pair: str | None
    base: str | None
    motivated: str | None
    settings: ArmSettings
    marks: Mapping[str, Any]
    x_c: Group | None
    arms: tuple[Arm, ...]
    y_c: Group | None
    notes: tuple[str, ...]
    convention: str
    scale: Scale
    contrasts: tuple[Contrast, ...] = ()

    @property
    def metric(self) -> Metric:
        return self.scale.metric

    @property
    def test_images(self) -> int | None:
        """All runs of a cell are tested on the same images; None where no run says how many."""
        return next((group.test_images for group in self.groups if group.test_images), None)

    @property
    def groups(self) -> tuple[Group, ...]:
        """In the order of the paper's tables: X-C, every arm's X-Y-B and X-Y-M, Y-C."""
        listed = [self.x_c, *(group for arm in self.arms for group in arm.groups), self.y_c]
        return tuple(group for group in listed if group is not None)


@dataclass(frozen=True)
class Comparison:
    runs_found: int
    runs_finished: int
    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    options: Options

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the cells are compared by, each once."""
        return tuple(dict.fromkeys(cell.metric for cell in self.cells))


@dataclass(frozen=True)
class Options:
    """How a comparison is made: by which metric (None: accuracy, else loss), the margin of equivalence and the smallest
    effect of interest in its unit (None: those of `analysis/metrics.py`), what a forward costs."""

    margin: float | None = None
    effect: float | None = None
    metric: str | None = None
    convention: str = MACS
    forward_cost: ForwardCost = recorded_macs
    has_running_statistics: Callable[[str], bool] = lambda model: False  # by model name


def compare_runs(
    summaries: Sequence[RunSummary], where: Where | None = None, options: Options | None = None
) -> Comparison:
    """Compare what `scan_runs` found; all of it is one report.

    Raises BadInput when `where` matches no run, for an unknown metric, and for a margin of runs of several metrics.
    """
    options = options or Options()
    if options.metric is not None:
        require_metric(options.metric, own_columns(_final_rows(summaries)))
    loaded, others = load_runs(summaries, options.metric)
    if options.metric is not None and not loaded:
        _refuse_metric(options.metric, summaries)
    left_out = [entry for entry in others if entry.state != FOLD]
    runs, duplicates = without_duplicates(loaded)
    runs, sources = told_apart(runs)
    runs, left_out = select(runs, left_out, where or {})
    cells = _cells(runs, options)
    for flag, value in (("--margin", options.margin), ("--effect", options.effect)):
        if value is not None:
            refuse_mixed((cell.metric for cell in cells), flag)
    judged = contrasts_of(cells)
    cells = [replace(cell, contrasts=contrasts) for cell, contrasts in zip(cells, judged, strict=True)]
    notes = [*_over_folds(others), *duplicates, *sources]
    return Comparison(len(runs) + len(left_out), len(runs), tuple(cells), tuple(left_out), tuple(notes), options)


def _final_rows(summaries: Sequence[RunSummary]) -> list[dict[str, Any]]:
    return [row for one in summaries if one.status is not None for row in one.status.final]


def _refuse_metric(asked: str, summaries: Sequence[RunSummary]) -> None:
    """Raise BadInput where finished runs have other metrics than the one that is asked for."""
    finished = [one.status.final for one in summaries if one.status is not None and one.status.state == "finished"]
    there = [name for name in METRICS if any(name in held(rows) for rows in finished)]
    rows = [row for final in finished for row in final]
    there += [name for name in own_columns(rows) if any(row.get(name) is not None for row in rows)]
    if there:
        raise BadInput(f"--metric {asked}: no finished run here has it; there are {', '.join(there)}")


def _cells(runs: Sequence[Run], options: Options) -> list[Cell]:
    """Those of each metric by themselves: no run is pooled or compared with one of another metric."""
    order = {column: place for place, column in enumerate(METRICS)}  # then those of somebody's own, by name
    cells: list[Cell] = []
    for metric in sorted(
        {run.metric for run in runs},
        key=lambda metric: (order.get(metric.column, len(order)), metric.column, metric.unit),
    ):
        compared = [run for run in runs if run.metric == metric]
        classic = [run for run in compared if run.classic]
        lengths = ClassicRuns(classic)
        found = group_runs(compared)
        varied = varied_settings(found)
        cells += [_cell(one, differs, classic, lengths, options) for one, differs in zip(found, varied, strict=True)]
    return cells


def _over_folds(left_out: Sequence[LeftOut]) -> list[str]:
    count = sum(entry.state == FOLD for entry in left_out)
    if not count:
        return []
    runs = "1 run over a fold of its training set is" if count == 1 else f"{count} runs over folds are"
    return [f"{runs} no result and left out: they serve to choose k (seek tune) and have no test accuracy"]


def _cell(
    cell: RunCell, varied: Mapping[str, Any], classic: Sequence[Run], lengths: ClassicRuns, options: Options
) -> Cell:
    notes: list[str] = []
    x_c = _classic_group(X_C, cell.base, cell.base_runs, notes, options)
    y_c = _classic_group(Y_C, cell.motivated, cell.motivated_runs, notes, options)
    labels = arm_labels(members[0].settings for members in cell.arms)
    built = [
        (_arm(label, members, x_c, y_c, notes, options), members)
        for label, members in zip(labels, cell.arms, strict=True)
    ]
    arms = tuple(_with_equal_compute(arm, runs, lengths, options) for arm, runs in built if arm is not None)
    notes += unequal_compute([(arm, runs) for arm, runs in built if arm is not None], lengths)
    for name, model, group in ((X_C, cell.base, x_c), (Y_C, cell.motivated, y_c)):
        if group is None and model is not None and cell.arms:
            notes.append(missing(name, model, cell.settings, classic))
    notes += unequal_seeds(x_c, arms, y_c)
    notes += as_trained_notes(arms, (x_c, y_c), options.has_running_statistics)
    notes += [f"{arm.label}: its base is {SAME_UPDATES}" for arm in arms if arm.grown and x_c is not None]
    notes += [
        f"F_XY of {arm.label} is by steps in {arm.runs_by_steps} of its runs: they do not say how many images each "
        "model took"
        for arm in arms
        if arm.runs_by_steps
    ]
    if not cell.settings.from_config:
        notes.append("config.json is missing: runs that differ in a setting outside the records cannot be told apart")
    pair = pair_name(cell.base, cell.motivated) if cell.base and cell.motivated and (arms or (x_c and y_c)) else None
    marks = changed_from_recipe(cell.settings) | dict(varied)
    scale = _scale(cell.metric, x_c, arms, y_c, options)
    convention = options.convention
    return Cell(pair, cell.base, cell.motivated, cell.settings, marks, x_c, arms, y_c, tuple(notes), convention, scale)


def _scale(metric: Metric, x_c: Group | None, arms: Sequence[Arm], y_c: Group | None, options: Options) -> Scale:
    """In fractions of base alone; where there is none, of the first model that is there."""
    first = next((group for group in (x_c, *(arm.base for arm in arms), y_c) if group is not None), None)
    return scale_of(metric, None if first is None else first.final.mean, options.margin, options.effect)


def _classic_group(
    name: str, model: str | None, runs: Sequence[Run], notes: list[str], options: Options
) -> Group | None:
    if model is None or not runs:
        return None
    usable, conflicts = without_conflicts(runs, f"{name} ({model})")
    notes += conflicts
    return classic_group(name, usable, options.forward_cost) if usable else None


def _arm(
    label: str, runs: Sequence[Run], x_c: Group | None, y_c: Group | None, notes: list[str], options: Options
) -> Arm | None:
    usable, conflicts = without_conflicts(runs, label)
    notes += conflicts
    return make_arm(label, usable, x_c, y_c, options.forward_cost) if usable else None


def _with_equal_compute(arm: Arm, runs: Sequence[Run], classic: ClassicRuns, options: Options) -> Arm:
    """The arm with the baselines that have its training compute, where there are such runs."""

    def group(name: str, model: str) -> Group | None:
        found, _ = without_conflicts(same_compute_runs(runs, model, classic), name)
        return classic_group(name, found, options.forward_cost, arm.label) if found else None

    return replace(arm, x_c_equal=group(X_C_EQUAL, arm.base.model), y_c_equal=group(Y_C_EQUAL, arm.motivated.model))
