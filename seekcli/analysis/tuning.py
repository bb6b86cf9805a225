"""The search for k: runs over folds -> the k that is chosen, and how far it stands from the next one.

k is chosen by the base model's final validation accuracy, its mean over the folds; of equal ones the smaller k.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seekcli.analysis.efficiency import mean_forward_macs
from seekcli.analysis.statistics import BEYOND, NO_SPREAD, PairedDifference, Sample, paired_difference, sample
from seekcli.records import RunStatus


@dataclass(frozen=True)
class KResult:
    """One value of k over its folds: accuracy in percent, share 0 to 1, forward cost in MACs of one image."""

    k: int
    run_ids: tuple[str, ...]
    accuracy_by_fold: Mapping[int, float]
    accuracy: Sample
    share: Sample
    expected_share: float | None
    f_xy_macs_per_image: float


@dataclass(frozen=True)
class Search:
    """`margin` is the chosen k minus the runner-up, paired by fold; both are None where one k was tried."""

    k: int
    results: tuple[KResult, ...]
    runner_up: int | None
    margin: PairedDifference | None

    @property
    def difference_shown(self) -> bool:
        """Whether the runner-up is worse beyond the noise between folds."""
        return self.margin is not None and self.margin.verdict == BEYOND


def choose_k(runs: Mapping[int, Mapping[int, RunStatus]]) -> Search:
    """Choose from the finished runs of {k: {fold: run}}. Raises ValueError for a run without a validation accuracy."""
    results = tuple(_result(k, runs[k]) for k in sorted(runs))
    ranked = sorted(results, key=lambda result: (-result.accuracy.mean, result.k))
    chosen = _smallest_of_the_best(ranked)
    others = [result for result in ranked if result is not chosen]
    if not others:
        return Search(chosen.k, results, None, None)
    second = _smallest_of_the_best(others)
    margin = paired_difference(f"k={chosen.k}", f"k={second.k}", chosen.accuracy_by_fold, second.accuracy_by_fold)
    return Search(chosen.k, results, second.k, margin)


def _smallest_of_the_best(ranked: list[KResult]) -> KResult:
    """Means that differ by rounding alone are equal."""
    best = ranked[0].accuracy.mean
    return min((one for one in ranked if one.accuracy.mean >= best - NO_SPREAD), key=lambda one: one.k)


def _result(k: int, by_fold: Mapping[int, RunStatus]) -> KResult:
    folds = sorted(by_fold)
    accuracies = {fold: _validation_accuracy_percent(by_fold[fold]) for fold in folds}
    shares = [_share(by_fold[fold]) for fold in folds]
    expected = [status.expected_share for status in by_fold.values() if status.expected_share is not None]
    costs = {row["role"]: float(row["forward_macs_per_image"]) for row in by_fold[folds[0]].final}
    share = sample(shares)
    return KResult(
        k=k,
        run_ids=tuple(by_fold[fold].run_id for fold in folds),
        accuracy_by_fold=accuracies,
        accuracy=sample(list(accuracies.values())),
        share=share,
        expected_share=sample(expected).mean if expected else None,
        f_xy_macs_per_image=mean_forward_macs(costs["base"], costs["motivated"], share.mean),
    )


def _validation_accuracy_percent(status: RunStatus) -> float:
    for row in status.final:
        if row["role"] == "base" and row.get("validation_accuracy_percent") is not None:
            return float(row["validation_accuracy_percent"])
    raise ValueError(f"run {status.run_id} has no validation accuracy of the base model")


def _share(status: RunStatus) -> float:
    motivated = int(status.totals["motivated_steps"])
    return motivated / (motivated + int(status.totals["base_steps"]))
