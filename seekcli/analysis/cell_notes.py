"""Notes on a cell of a comparison: baselines that are missing, of other seeds, or not of the arm's compute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from seekcli.analysis.equal_compute import SAME_COST_FRACTION, ClassicRuns, nearest_in_cost
from seekcli.analysis.grouping import differing
from seekcli.analysis.groups import PLAIN_NAMES, X_C, X_C_EQUAL, Y_C_EQUAL, Arm, Group, plain_and_paper
from seekcli.analysis.runs import ArmSettings, Run
from seekcli.config.layers import DEFAULTS

SHARE_BY_CHANCE = ", whose share is not what chance gives; --match train_flops --match-from RESULTS takes its real cost"


def unequal_compute(arms: Sequence[tuple[Arm, Sequence[Run]]], classic: ClassicRuns) -> list[str]:
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


def missing(name: str, model: str, settings: ArmSettings, classic: Sequence[Run]) -> str:
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


def unequal_seeds(x_c: Group | None, arms: Sequence[Arm], y_c: Group | None) -> list[str]:
    groups = [group for group in (x_c, *(arm.base for arm in arms), y_c) if group is not None]
    if len({group.seeds for group in groups}) <= 1:
        return []
    note = "groups have different seeds: means use all of a group's runs, gains and paired differences the common seeds"
    others = [group for group in groups if x_c is not None and not set(group.seeds) & set(x_c.seeds)]
    unpaired = f"{', '.join(dict.fromkeys(PLAIN_NAMES[group.name] for group in others))} and base alone share no seed"
    return [note, *([f"{unpaired}: that gain is a difference of means over different seeds"] if others else [])]
