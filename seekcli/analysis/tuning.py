"""The search for k: runs over folds -> the k that is chosen, and which others do as well.

The best k has the highest final validation accuracy of the base model, its mean over the folds; of equal ones the
smaller k. It is the one that is chosen, unless the one-standard-error rule is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekcli.analysis.statistics import ALPHA, NO_SPREAD, PairedDifference, Sample, paired_difference, sample
from seekcli.method.cost_measures import mean_forward_cost, motivated_share
from seekcli.runs.records import RunStatus, motivated_image_share

# Which k is chosen: the best one, or of those within one standard error of it the one with the fewest motivated steps.
BEST, ONE_SE = "best", "one-se"


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
    """`k` is the choice under `rule`.

    `margin` is the best k minus the runner-up, paired by fold; both are None where one k was tried. `near_best` are the
    other k that lie within one standard error of the best one; the error is that of their difference, paired by fold.
    """

    k: int
    results: tuple[KResult, ...]
    runner_up: int | None
    margin: PairedDifference | None
    near_best: tuple[KResult, ...] = ()
    rule: str = BEST

    @property
    def best(self) -> KResult:
        return _best(self.results)

    @property
    def difference_shown(self) -> bool:
        """Whether the runner-up is worse beyond the noise between folds."""
        return self.margin is not None and self.margin.p_value is not None and self.margin.p_value < ALPHA


def choose_k(runs: Mapping[int, Mapping[int, RunStatus]], rule: str = BEST) -> Search:
    """Choose from the finished runs of {k: {fold: run}}. Raises ValueError for a run without a validation accuracy."""
    results = tuple(_result(k, runs[k]) for k in sorted(runs))
    best = _best(results)
    others = [result for result in results if result is not best]
    if not others:
        return Search(best.k, results, None, None, (), rule)
    near = tuple(result for result in others if _within_one_standard_error(best, result))
    chosen = best if rule == BEST else min((best, *near), key=lambda one: (one.share.mean, -one.k))
    second = _best(others)
    return Search(chosen.k, results, second.k, _margin(best, second), near, rule)


def _margin(left: KResult, right: KResult) -> PairedDifference | None:
    return paired_difference(f"k={left.k}", f"k={right.k}", left.accuracy_by_fold, right.accuracy_by_fold)


def _within_one_standard_error(best: KResult, other: KResult) -> bool:
    """One fold has no standard error: only a k that is equal to the best is near it then."""
    found = _margin(best, other)
    if found is None:
        return False
    return found.mean <= (found.sd or 0.0) / math.sqrt(found.n) + NO_SPREAD


def _best(results: Sequence[KResult]) -> KResult:
    """The highest mean, of equal ones the smaller k; means that differ by rounding alone are equal."""
    highest = max(result.accuracy.mean for result in results)
    return min((one for one in results if one.accuracy.mean >= highest - NO_SPREAD), key=lambda one: one.k)


def _result(k: int, by_fold: Mapping[int, RunStatus]) -> KResult:
    folds = sorted(by_fold)
    accuracies = {fold: _validation_accuracy_percent(by_fold[fold]) for fold in folds}
    shares = [_share(by_fold[fold]) for fold in folds]
    expected = [status.expected_share for status in by_fold.values() if status.expected_share is not None]
    costs = {row["role"]: float(row["forward_macs_per_image"]) for row in by_fold[folds[0]].final}
    share = sample(shares)
    by_image = sample([_image_share(by_fold[fold]) for fold in folds])
    return KResult(
        k=k,
        run_ids=tuple(by_fold[fold].run_id for fold in folds),
        accuracy_by_fold=accuracies,
        accuracy=sample(list(accuracies.values())),
        share=share,
        expected_share=sample(expected).mean if expected else None,
        f_xy_macs_per_image=mean_forward_cost(costs["base"], costs["motivated"], by_image.mean),
    )


def _validation_accuracy_percent(status: RunStatus) -> float:
    for row in status.final:
        if row["role"] == "base" and row.get("validation_accuracy_percent") is not None:
            return float(row["validation_accuracy_percent"])
    raise ValueError(f"run {status.run_id} has no validation accuracy of the base model")


def _image_share(status: RunStatus) -> float:
    """By steps where an older program did not count the images."""
    share = motivated_image_share(status.totals)
    return _share(status) if share is None else share


def _share(status: RunStatus) -> float:
    motivated = int(status.totals["motivated_steps"])
    return motivated_share(motivated, int(status.totals["base_steps"]))
