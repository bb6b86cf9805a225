"""Baselines with the training compute of an arm: classic runs that differ from X-C or Y-C in their length alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from seekcli.analysis.runs import ArmSettings, Run

LENGTH = ("train.epochs", "train.steps")
# A baseline whose training FLOPs are within this fraction of an arm's has its compute.
SAME_COST_FRACTION = 0.01


def key_but_length(settings: ArmSettings) -> str:
    """Equal for runs whose common settings differ in nothing but how long they are."""
    return json.dumps({key: value for key, value in settings.common.items() if key not in LENGTH}, sort_keys=True)


def train_flops(runs: Iterable[Run]) -> float:
    """Mean training FLOPs of these runs."""
    return fmean(float(run.totals["train_flops"]) for run in runs)


class ClassicRuns:
    """Classic runs by their model and their settings, so that no arm looks at all of them."""

    def __init__(self, classic: Iterable[Run]) -> None:
        self.lengths: dict[tuple[str, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
        but_length: dict[str, str] = {}
        for run in classic:
            settings = run.settings
            if settings.common_key not in but_length:
                but_length[settings.common_key] = key_but_length(settings)
            model = run.models.get(settings.schedule)
            if model is not None:
                self.lengths[model, but_length[settings.common_key]][settings.common_key].append(run)

    def of_other_lengths(self, model: str, settings: ArmSettings) -> dict[str, list[Run]]:
        """By their settings: the runs of a model that differ from these in their length, and in nothing else."""
        found = self.lengths.get((model, key_but_length(settings)), {})
        return {key: runs for key, runs in found.items() if key != settings.common_key}


def same_compute_runs(arm: Sequence[Run], model: str, classic: ClassicRuns) -> tuple[Run, ...]:
    """The classic runs of this model that cost what the arm's runs do on average: one length, the nearest in cost."""
    runs, ratio = nearest_in_cost(arm, model, classic)
    return runs if abs(ratio - 1) <= SAME_COST_FRACTION else ()


def nearest_in_cost(arm: Sequence[Run], model: str, classic: ClassicRuns) -> tuple[tuple[Run, ...], float]:
    """Of the classic runs of another length those nearest in cost, and their cost over the arm's; none is ((), 0)."""
    by_length = classic.of_other_lengths(model, arm[0].settings)
    cost = train_flops(arm) if by_length else 0.0
    ratios = {key: train_flops(runs) / cost for key, runs in by_length.items() if cost}
    if not ratios:
        return (), 0.0
    nearest = min(ratios, key=lambda key: (abs(ratios[key] - 1), key))
    return tuple(by_length[nearest]), ratios[nearest]


def baselines_of_equal_compute(runs: Sequence[Run]) -> list[Run]:
    """Of these runs the classic ones that have the compute of one of the arms among them."""
    classic = ClassicRuns(run for run in runs if run.classic)
    arms: dict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        if not run.classic:
            arms[tuple(run.models.values()), run.settings.common_key, run.settings.arm_key].append(run)
    found = {
        run.run_id: run
        for arm in arms.values()
        for model in arm[0].models.values()
        for run in same_compute_runs(arm, model, classic)
    }
    return list(found.values())
