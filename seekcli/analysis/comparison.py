"""Records -> `Comparison`: the groups X-C, X-Y-B, X-Y-M and Y-C, their costs, paired differences and efficiency.

The final accuracy is the last epoch's, never the best. Nothing here prints or rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekcli.analysis.efficiency import Efficiency, Share, efficiency, mean_forward_macs, share_against_chance
from seekcli.analysis.grouping import (
    RunCell,
    arm_labels,
    changed_from_recipe,
    differing,
    group_runs,
    varied_settings,
    without_conflicts,
    without_duplicates,
)
from seekcli.analysis.runs import FOLD, LeftOut, Run, Settings, load_runs
from seekcli.analysis.selection import Where, select
from seekcli.analysis.statistics import INSIDE, PairedDifference, Sample, paired_difference, sample
from seekcli.config import pair_name
from seekcli.scan import RunSummary

X_C, X_Y_B, X_Y_M, Y_C = "X-C", "X-Y-B", "X-Y-M", "Y-C"


@dataclass(frozen=True)
class Cost:
    """Of one whole training run; an alternating run trains both models in it. Wall time is of the epochs."""

    train_flops: Sample
    evaluation_flops: Sample
    condition_flops: Sample
    copied_bytes: Sample
    epoch_seconds: Sample


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, and one of their models. Accuracies in percent."""

    name: str
    model: str
    arm: str | None
    settings: Settings
    run_ids: tuple[str, ...]
    accuracy_by_seed: Mapping[int, float]
    accuracy: Sample
    forward_macs_per_image: float
    cost: Cost

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.accuracy_by_seed)


@dataclass(frozen=True)
class Arm:
    """One way of motivation in a cell: both models of its alternating runs."""

    label: str
    base: Group
    motivated: Group
    share: Share
    efficiency: Efficiency


@dataclass(frozen=True)
class Cell:
    """One pair under one set of settings.

    `marks` are the settings worth naming: those that are not the recipe's own, and those that tell this cell from
    another one of the same pair and data.
    """

    pair: str | None
    base: str | None
    motivated: str | None
    settings: Settings
    marks: Mapping[str, Any]
    x_c: Group | None
    arms: tuple[Arm, ...]
    y_c: Group | None
    differences: tuple[tuple[str | None, PairedDifference], ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """In the order of the paper's tables: X-C, every arm's X-Y-B and X-Y-M, Y-C."""
        listed = [self.x_c, *(group for arm in self.arms for group in (arm.base, arm.motivated)), self.y_c]
        return tuple(group for group in listed if group is not None)


@dataclass(frozen=True)
class Comparison:
    runs_found: int
    runs_finished: int
    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def compare_runs(summaries: Sequence[RunSummary], where: Where | None = None) -> Comparison:
    """Compare what `scan_runs` found. Raises BadInput when `where` matches no run."""
    loaded, others = load_runs(summaries)
    left_out = [entry for entry in others if entry.state != FOLD]
    runs, duplicates = without_duplicates(loaded)
    runs, left_out = select(runs, left_out, where or {})
    classic = [run for run in runs if run.classic]
    run_cells = group_runs(runs)
    varied = varied_settings(run_cells)
    cells = [_cell(run_cell, differs, classic) for run_cell, differs in zip(run_cells, varied, strict=True)]
    notes = [*_over_folds(others), *duplicates, *_several_tests(cells)]
    return Comparison(len(runs) + len(left_out), len(runs), tuple(cells), tuple(left_out), tuple(notes))


def _over_folds(left_out: Sequence[LeftOut]) -> list[str]:
    count = sum(entry.state == FOLD for entry in left_out)
    if not count:
        return []
    runs = "1 run over a fold of its training set is" if count == 1 else f"{count} runs over folds are"
    return [f"{runs} no result and left out: they serve to choose k (seek tune) and have no test accuracy"]


def _several_tests(cells: Sequence[Cell]) -> list[str]:
    tests = sum(difference.p_value is not None for cell in cells for _, difference in cell.differences)
    if tests < 5:
        return []
    return [f"{tests} p values, none corrected for their number: by chance alone one in twenty falls below 0.05"]


def _cell(cell: RunCell, varied: Mapping[str, Any], classic: Sequence[Run]) -> Cell:
    notes: list[str] = []
    x_c = _classic_group(X_C, cell.base, cell.base_runs, notes)
    y_c = _classic_group(Y_C, cell.motivated, cell.motivated_runs, notes)
    labels = arm_labels(members[0].settings for members in cell.arms)
    built = [_arm(label, members, x_c, y_c, notes) for label, members in zip(labels, cell.arms, strict=True)]
    arms = tuple(arm for arm in built if arm is not None)
    for name, model, group in ((X_C, cell.base, x_c), (Y_C, cell.motivated, y_c)):
        if group is None and model is not None and cell.arms:
            notes.append(_missing(name, model, cell.settings, classic))
    differences = _differences(x_c, arms, y_c)
    notes += _unequal_seeds(x_c, arms, y_c) + _weak_ratio(arms, differences)
    if not cell.settings.from_config:
        notes.append("config.json is missing: runs that differ in a setting outside the records cannot be told apart")
    pair = pair_name(cell.base, cell.motivated) if cell.base and cell.motivated else None
    marks = changed_from_recipe(cell.settings) | dict(varied)
    return Cell(pair, cell.base, cell.motivated, cell.settings, marks, x_c, arms, y_c, differences, tuple(notes))


def _classic_group(name: str, model: str | None, runs: Sequence[Run], notes: list[str]) -> Group | None:
    if model is None or not runs:
        return None
    usable, conflicts = without_conflicts(runs, f"{name} ({model})")
    notes += conflicts
    return _group(name, None, usable, lambda run: next(iter(run.rows))) if usable else None


def _arm(label: str, runs: Sequence[Run], x_c: Group | None, y_c: Group | None, notes: list[str]) -> Arm | None:
    usable, conflicts = without_conflicts(runs, label)
    notes += conflicts
    if not usable:
        return None
    base = _group(X_Y_B, label, usable, lambda run: "base")
    motivated = _group(X_Y_M, label, usable, lambda run: "motivated")
    f_x, f_y = base.forward_macs_per_image, motivated.forward_macs_per_image
    f_xy = sample([mean_forward_macs(f_x, f_y, run.share) for run in usable]).mean
    expected = [run.expected_share for run in usable if run.expected_share is not None]
    share = share_against_chance(sample([run.share for run in usable]), sample(expected).mean if expected else None)
    measures = efficiency(f_x, f_y, f_xy, _gain_points(base, x_c), _gain_points(y_c, x_c))
    return Arm(label, base, motivated, share, measures)


def _gain_points(group: Group | None, reference: Group | None) -> float | None:
    """Mean difference over common seeds; where there are none, the difference of the means."""
    if group is None or reference is None:
        return None
    left, right = group.accuracy_by_seed, reference.accuracy_by_seed
    common = [left[seed] - right[seed] for seed in left if seed in right]
    return sample(common).mean if common else group.accuracy.mean - reference.accuracy.mean


def _group(name: str, arm: str | None, runs: Sequence[Run], role_of: Callable[[Run], str]) -> Group:
    ordered = sorted(runs, key=lambda run: run.seed)
    by_seed = {run.seed: run.accuracy_percent(role_of(run)) for run in ordered}
    first = ordered[0]
    return Group(
        name=name,
        model=first.models[role_of(first)],
        arm=arm,
        settings=first.settings,
        run_ids=tuple(run.run_id for run in ordered),
        accuracy_by_seed=by_seed,
        accuracy=sample(list(by_seed.values())),
        forward_macs_per_image=sample([float(r.rows[role_of(r)]["forward_macs_per_image"]) for r in ordered]).mean,
        cost=_cost(ordered),
    )


def _cost(runs: Sequence[Run]) -> Cost:
    def total(key: str) -> Sample:
        return sample([float(run.totals[key]) for run in runs])

    return Cost(
        train_flops=total("train_flops"),
        evaluation_flops=total("evaluation_flops"),
        condition_flops=total("condition_flops"),
        copied_bytes=total("copied_bytes"),
        epoch_seconds=total("epoch_seconds"),
    )


def _differences(
    x_c: Group | None, arms: Sequence[Arm], y_c: Group | None
) -> tuple[tuple[str | None, PairedDifference], ...]:
    """(arm label, difference) for every pair of groups that share a seed: all against X-C, and X-Y-M against Y-C."""
    wanted = [(arm.label, arm.base, x_c) for arm in arms]
    wanted += [(arm.label, arm.motivated, reference) for arm in arms for reference in (x_c, y_c)]
    listed: list[tuple[str | None, PairedDifference]] = []
    for label, left, right in [*wanted, (None, y_c, x_c)]:
        if left is None or right is None:
            continue
        found = paired_difference(left.name, right.name, left.accuracy_by_seed, right.accuracy_by_seed)
        if found is not None:
            listed.append((label, found))
    return tuple(listed)


def _missing(name: str, model: str, settings: Settings, classic: Sequence[Run]) -> str:
    """Say that a baseline is missing, and what keeps the nearest candidate from being it."""
    candidates = [run.settings for run in classic if model in run.models.values()]
    if not candidates:
        return f"no {name}: no finished classic run of {model} here"
    nearest = min(candidates, key=lambda other: len(differing(settings, other)))
    if settings.from_config != nearest.from_config:
        return f"no {name}: the classic runs of {model} cannot be matched, as one side has no config.json"
    keys = differing(settings, nearest)
    listed = [f"{key} ({settings.common.get(key)}, there {nearest.common.get(key)})" for key in keys[:3]]
    more = f" and {len(keys) - 3} more settings" if len(keys) > 3 else ""
    return f"no {name}: the nearest classic runs of {model} differ in {', '.join(listed)}{more}"


def _unequal_seeds(x_c: Group | None, arms: Sequence[Arm], y_c: Group | None) -> list[str]:
    groups = [group for group in (x_c, *(arm.base for arm in arms), y_c) if group is not None]
    if len({group.seeds for group in groups}) <= 1:
        return []
    note = "groups have different seeds: means use all of a group's runs, gains and paired differences the common seeds"
    others = [group for group in groups if x_c is not None and not set(group.seeds) & set(x_c.seeds)]
    unpaired = f"{', '.join(dict.fromkeys(group.name for group in others))} and {X_C} share no seed"
    return [note, *([f"{unpaired}: that gain is a difference of means over different seeds"] if others else [])]


def _weak_ratio(arms: Sequence[Arm], differences: Sequence[tuple[str | None, PairedDifference]]) -> list[str]:
    """A ratio whose denominator is noise is noise; say so once per cell."""
    weak = any(d.left == Y_C and d.right == X_C and d.verdict == INSIDE for _, d in differences)
    shown = any(arm.efficiency.acc_f_ratio is not None for arm in arms)
    return (
        ["the gain of Y-C over X-C is inside the noise, so ACC/F_Ratio, which divides by it, is too"]
        if (weak and shown)
        else []
    )
