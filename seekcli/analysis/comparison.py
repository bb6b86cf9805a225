"""Records -> `Comparison`: cells of groups (X-C, X-Y-B, X-Y-M, Y-C), their differences in words, and notes.

Nothing here prints or rounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seekcli.analysis.arm_labels import arm_labels
from seekcli.analysis.as_trained import as_trained_notes
from seekcli.analysis.contrasts import EFFECT_POINTS, MARGIN_POINTS, Contrast, contrasts_of
from seekcli.analysis.equal_compute import SAME_COST_FRACTION, ClassicRuns, nearest_in_cost, same_compute_runs
from seekcli.analysis.grouping import (
    RunCell,
    changed_from_recipe,
    differing,
    group_runs,
    varied_settings,
    without_conflicts,
    without_duplicates,
)
from seekcli.analysis.groups import (
    PLAIN_NAMES,
    X_C,
    X_C_EQUAL,
    Y_C,
    Y_C_EQUAL,
    Arm,
    ForwardCost,
    Group,
    classic_group,
    make_arm,
    plain_and_paper,
    recorded_macs,
)
from seekcli.analysis.runs import FOLD, ArmSettings, LeftOut, Run, load_runs
from seekcli.analysis.selection import Where, select
from seekcli.config.layers import DEFAULTS
from seekcli.config.settings import pair_name
from seekcli.runs.scan import RunSummary

MACS, PAPER = "macs", "paper"
SHARE_BY_CHANCE = ", whose share is not what chance gives; --match train_flops --match-from RESULTS takes its real cost"
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
    contrasts: tuple[Contrast, ...] = ()

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


@dataclass(frozen=True)
class Options:
    """How a comparison is made: the margin of equivalence, the smallest effect of interest, what a forward costs."""

    margin_points: float = MARGIN_POINTS
    effect_points: float = EFFECT_POINTS
    convention: str = MACS
    forward_cost: ForwardCost = recorded_macs
    has_running_statistics: Callable[[str], bool] = lambda model: False  # by model name


def compare_runs(
    summaries: Sequence[RunSummary], where: Where | None = None, options: Options | None = None
) -> Comparison:
    """Compare what `scan_runs` found; all of it is one report. Raises BadInput when `where` matches no run."""
    options = options or Options()
    loaded, others = load_runs(summaries)
    left_out = [entry for entry in others if entry.state != FOLD]
    runs, duplicates = without_duplicates(loaded)
    runs, left_out = select(runs, left_out, where or {})
    classic = [run for run in runs if run.classic]
    lengths = ClassicRuns(classic)
    run_cells = group_runs(runs)
    varied = varied_settings(run_cells)
    cells = [_cell(one, differs, classic, lengths, options) for one, differs in zip(run_cells, varied, strict=True)]
    judged = contrasts_of(cells, options.margin_points, options.effect_points)
    cells = [replace(cell, contrasts=contrasts) for cell, contrasts in zip(cells, judged, strict=True)]
    notes = [*_over_folds(others), *duplicates]
    return Comparison(len(runs) + len(left_out), len(runs), tuple(cells), tuple(left_out), tuple(notes), options)


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
    notes += _unequal_compute([(arm, runs) for arm, runs in built if arm is not None], lengths)
    for name, model, group in ((X_C, cell.base, x_c), (Y_C, cell.motivated, y_c)):
        if group is None and model is not None and cell.arms:
            notes.append(_missing(name, model, cell.settings, classic))
    notes += _unequal_seeds(x_c, arms, y_c)
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
    return Cell(pair, cell.base, cell.motivated, cell.settings, marks, x_c, arms, y_c, tuple(notes), options.convention)


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


def _unequal_compute(arms: Sequence[tuple[Arm, Sequence[Run]]], classic: ClassicRuns) -> list[str]:
    """Say of baselines whose steps were given that they missed the compute of arms, and how to get them nearer."""
    missed: dict[tuple[str, str, str], list[tuple[str, float]]] = defaultdict(list)
    for arm, runs in arms:
        for name, model in ((X_C_EQUAL, arm.base.model), (Y_C_EQUAL, arm.motivated.model)):
            found, ratio = nearest_in_cost(runs, model, classic)
            if found and abs(ratio - 1) > SAME_COST_FRACTION and "train.steps" in found[0].settings.common:
                baseline = f"{model} trained for {found[0].settings.length}"
                missed[plain_and_paper(name), baseline, _how_to_match(arm, found[0], ratio)].append((arm.label, ratio))
    return [_missed_by(*key, arms_and_ratios) for key, arms_and_ratios in missed.items()]


def _missed_by(name: str, baseline: str, how_to_match: str, arms: Sequence[tuple[str, float]]) -> str:
    """One note for all the arms of which it is true."""
    labels = [label for label, _ in arms]
    named = "; ".join([*labels[:3], *([f"{len(labels) - 3} more"] if len(labels) > 3 else [])])
    ratios = sorted({f"{ratio:.3f}" for _, ratio in arms})
    cost = ratios[0] if len(ratios) == 1 else f"{ratios[0]} to {ratios[-1]}"
    of = "the arm" if len(labels) == 1 else f"these {len(labels)} arms"
    return f"no {name} for {named}: {baseline} cost {cost} of {of}{how_to_match}"


def _how_to_match(arm: Arm, nearest: Run, ratio: float) -> str:
    steps = nearest.settings.common["train.steps"]
    if round(steps / ratio) == steps:
        return "; a run of one step more or less is no nearer"
    if arm.share.basis == "by chance":
        return SHARE_BY_CHANCE
    at = arm.base.settings.arm.get("motivation.grow_at", DEFAULTS["motivation.grow_at"])
    return f"; --match train_flops{f' --at {at:g}' if arm.grown else ''} gives it the steps, to the nearest one"


def _missing(name: str, model: str, settings: ArmSettings, classic: Sequence[Run]) -> str:
    """Say that a baseline is missing, and what keeps the nearest candidate from being it."""
    candidates = [run.settings for run in classic if model in run.models.values()]
    if not candidates:
        schedule = "base" if name == X_C else "motivated"
        return (
            f"no {plain_and_paper(name)}: no finished classic run of {model} here; "
            f"the command of the alternating runs with --schedule {schedule} trains it"
        )
    nearest = min(candidates, key=lambda other: len(differing(settings, other)))
    if settings.from_config != nearest.from_config:
        return (
            f"no {plain_and_paper(name)}: the classic runs of {model} cannot be matched, as one side has no config.json"
        )
    keys = differing(settings, nearest)
    listed = [f"{key} ({settings.common.get(key)}, there {nearest.common.get(key)})" for key in keys[:3]]
    more = f" and {len(keys) - 3} more settings" if len(keys) > 3 else ""
    return f"no {plain_and_paper(name)}: the nearest classic runs of {model} differ in {', '.join(listed)}{more}"


def _unequal_seeds(x_c: Group | None, arms: Sequence[Arm], y_c: Group | None) -> list[str]:
    groups = [group for group in (x_c, *(arm.base for arm in arms), y_c) if group is not None]
    if len({group.seeds for group in groups}) <= 1:
        return []
    note = "groups have different seeds: means use all of a group's runs, gains and paired differences the common seeds"
    others = [group for group in groups if x_c is not None and not set(group.seeds) & set(x_c.seeds)]
    unpaired = f"{', '.join(dict.fromkeys(PLAIN_NAMES[group.name] for group in others))} and base alone share no seed"
    return [note, *([f"{unpaired}: that gain is a difference of means over different seeds"] if others else [])]
