"""Other looks at a paired difference: no word follows them. They show where the paired t test deserves doubt.

A bootstrap interval and a sign-flip p value do without the normal distribution; Welch's test does without the pairing,
and the correlation of the seeds says what the pairing is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation, fmean, variance

from seekcli.analysis.statistics import CONFIDENCE, NO_SPREAD, Interval, PairedDifference, has_spread, t_below

RESAMPLES = 10_000
# 2**16 sign patterns take a few milliseconds.
MOST_SEEDS_FLIPPED = 16


@dataclass(frozen=True)
class Checks:
    """None where it cannot be computed. `sign_flip_floor` is the smallest p value that n seeds can give: 2/2^n."""

    welch_p_value: float | None
    seed_correlation: float | None
    bootstrap: Interval | None
    sign_flip_p_value: float | None
    sign_flip_floor: float


def checks(difference: PairedDifference) -> Checks:
    left, right = difference.left_values, difference.right_values
    return Checks(
        welch_p_value=_welch_of_values(left, right),
        seed_correlation=_correlation(left, right),
        bootstrap=bootstrap_interval(difference.values) if has_spread(difference.sd) else None,
        sign_flip_p_value=sign_flip_p_value(difference.values),
        sign_flip_floor=2.0 ** (1 - difference.n),
    )


def welch_p_value(mean_difference: float, left: tuple[float, int], right: tuple[float, int]) -> float:
    """Two-sided p of Welch's t test; each side is (sd with ddof 1, n >= 2), not both sds 0."""
    (left_sd, left_n), (right_sd, right_n) = left, right
    a, b = left_sd**2 / left_n, right_sd**2 / right_n
    degrees = (a + b) ** 2 / (a**2 / (left_n - 1) + b**2 / (right_n - 1))
    return 2 * t_below(degrees, -abs(mean_difference) / math.sqrt(a + b))


def _welch_of_values(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 2:
        return None
    sds = math.sqrt(variance(left)), math.sqrt(variance(right))
    if max(sds) <= NO_SPREAD:
        return None
    return welch_p_value(fmean(left) - fmean(right), (sds[0], len(left)), (sds[1], len(right)))


def _correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 3 or min(variance(left), variance(right)) <= NO_SPREAD**2:
        return None
    return correlation(left, right)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """The percentile interval of the mean over resamples with a fixed seed. With few seeds it is too narrow."""
    import numpy as np

    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    means = np.asarray(values)[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


def sign_flip_p_value(values: Sequence[float]) -> float | None:
    """The share of all 2^n sign patterns whose sum is at least as far from 0; None above 16 seeds."""
    import numpy as np

    if len(values) > MOST_SEEDS_FLIPPED:
        return None
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= abs(math.fsum(values)) - NO_SPREAD))
