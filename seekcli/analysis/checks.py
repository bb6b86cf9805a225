"""Other looks at a paired difference: no word follows them. They show where the paired t test deserves doubt.

A bootstrap interval and a sign-flip p value do without the normal distribution; Welch's test does without the pairing,
and the correlation of the seeds says what the pairing is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import correlation, fmean
from typing import TYPE_CHECKING

from seekcli.analysis.statistics import (
    CONFIDENCE,
    NO_SPREAD,
    Interval,
    PairedDifference,
    exact_variance,
    has_spread,
    t_below,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 10_000
# 2**16 sign patterns take a few milliseconds.
MOST_SEEDS_FLIPPED = 16


@dataclass(frozen=True)
class Checks:
    """Of one difference. Each is computed when it is asked for; None where it cannot be."""

    difference: PairedDifference

    @property
    def welch_p_value(self) -> float | None:
        return _welch_of_values(self.difference.left_values, self.difference.right_values)

    @property
    def seed_correlation(self) -> float | None:
        return _correlation(self.difference.left_values, self.difference.right_values)

    @cached_property
    def bootstrap(self) -> Interval | None:
        return bootstrap_interval(self.difference.values) if has_spread(self.difference.sd) else None

    @cached_property
    def sign_flip_p_value(self) -> float | None:
        return sign_flip_p_value(self.difference.values)

    @property
    def sign_flip_floor(self) -> float:
        """The smallest p value that n seeds can give: 2/2^n."""
        return 2.0 ** (1 - self.difference.n)


def welch_p_value(mean_difference: float, left: tuple[float, int], right: tuple[float, int]) -> float:
    """Two-sided p of Welch's t test; each side is (sd with ddof 1, n >= 2), not both sds 0."""
    (left_sd, left_n), (right_sd, right_n) = left, right
    a, b = left_sd**2 / left_n, right_sd**2 / right_n
    degrees = (a + b) ** 2 / (a**2 / (left_n - 1) + b**2 / (right_n - 1))
    return 2 * t_below(degrees, -abs(mean_difference) / math.sqrt(a + b))


def _welch_of_values(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 2:
        return None
    sds = math.sqrt(_variance(tuple(left))), math.sqrt(_variance(tuple(right)))
    if max(sds) <= NO_SPREAD:
        return None
    return welch_p_value(fmean(left) - fmean(right), (sds[0], len(left)), (sds[1], len(right)))


@lru_cache(maxsize=1000)
def _variance(values: tuple[float, ...]) -> float:
    """Exact, which takes its time: a group stands on one side of many differences."""
    if not all(map(math.isfinite, values)):
        return math.nan
    numerator, denominator = exact_variance(values)
    return numerator / denominator


def _correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    if len(left) < 3 or min(_variance(tuple(left)), _variance(tuple(right))) <= NO_SPREAD**2:
        return None
    return correlation(left, right)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """The percentile interval of the mean over resamples with a fixed seed. With few seeds it is too narrow."""
    import numpy as np

    means = np.zeros(RESAMPLES)
    for times, value in zip(_times_drawn(len(values)), values, strict=True):
        means += times * (value / len(values))
    means.sort()  # in less time than np.quantile takes to part them
    return Interval(_quantile(means, (1 - CONFIDENCE) / 2), _quantile(means, (1 + CONFIDENCE) / 2))


def _quantile(ordered: NDArray[np.float64], probability: float) -> float:
    """As np.quantile: between two values it goes from the nearer one."""
    place = probability * (len(ordered) - 1)
    low, high = (float(value) for value in ordered[int(place) : int(place) + 2])
    part = place - int(place)
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


@lru_cache(maxsize=100)
def _times_drawn(n: int) -> NDArray[np.float64]:
    """How often each of n values is in each resample, [n, RESAMPLES]: the same for all differences of n seeds."""
    import numpy as np

    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    return np.stack([(drawn == which).sum(axis=1).astype(np.float64) for which in range(n)])


def sign_flip_p_value(values: Sequence[float]) -> float | None:
    """The share of all 2^n sign patterns whose sum is at least as far from 0; None above 16 seeds."""
    import numpy as np

    if len(values) > MOST_SEEDS_FLIPPED:
        return None
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= abs(math.fsum(values)) - NO_SPREAD))
