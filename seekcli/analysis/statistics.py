"""Small-sample statistics over seeds: mean and sd, t intervals, paired differences, the test of equivalence.

`scipy.stats` takes a second to import, so the t distribution comes from `scipy.special`. What the numbers are called
is decided in `verdicts.py`; how much n seeds can show, in `power.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

CONFIDENCE = 0.95
ALPHA = 0.05
# Percentages are rounded quotients: a spread below this is rounding of equal numbers, not noise.
NO_SPREAD = 1e-9
DOUBLE_BITS = 2 * 53 + 6  # of the square of a double, and some


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, in the unit of its values; of a mean unless its owner says otherwise."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Sample:
    """Mean and standard deviation (ddof 1; None for fewer than two values) of n values, one per seed."""

    n: int
    mean: float
    sd: float | None
    interval: Interval | None


@dataclass(frozen=True)
class PairedDifference:
    """The difference `left - right` over common seeds, in the unit of the values.

    `interval` is the 95 % t interval and `p_value` that of the two-sided paired t test, not corrected for other tests;
    both are None where the noise cannot be estimated (one common seed, or differences without any spread).
    """

    left: str
    right: str
    seeds: tuple[int, ...]
    left_values: tuple[float, ...]
    right_values: tuple[float, ...]
    mean: float
    sd: float | None
    interval: Interval | None
    p_value: float | None

    @property
    def n(self) -> int:
        return len(self.seeds)

    @property
    def values(self) -> tuple[float, ...]:
        """The differences, in the order of `seeds`."""
        return tuple(left - right for left, right in zip(self.left_values, self.right_values, strict=True))


@lru_cache(maxsize=1000)
def t_quantile(degrees: float, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def t_below(degrees: float, value: float) -> float:
    """The chance of a value at or below `value` under Student's t distribution."""
    from scipy.special import stdtr

    return float(stdtr(degrees, value))


def sample(values: Sequence[float]) -> Sample:
    """Summarise at least one value. Raises ValueError for none."""
    if not values:
        raise ValueError("a sample needs at least one value")
    mean = fmean(values)
    if len(values) < 2:
        return Sample(n=1, mean=mean, sd=None, interval=None)
    sd = exact_sd(values) if min(values) < max(values) else 0.0
    half = t_quantile(len(values) - 1, 0.5 + CONFIDENCE / 2) * sd / math.sqrt(len(values))
    return Sample(n=len(values), mean=mean, sd=sd, interval=Interval(mean - half, mean + half))


def exact_variance(values: Sequence[float]) -> tuple[int, int]:
    """Numerator and denominator of the variance (ddof 1) of two or more finite values, without any rounding.

    As `statistics.variance`, which takes five times as long over its fractions: those of doubles are powers of two.
    """
    ratios = [value.as_integer_ratio() for value in values]
    unit, n = max(denominator for _, denominator in ratios), len(ratios)
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    return n * sum(value * value for value in whole) - sum(whole) ** 2, n * (n - 1) * unit * unit


def exact_sd(values: Sequence[float]) -> float:
    """The standard deviation (ddof 1) of two or more values, rounded once; NaN where one is not finite."""
    if not all(map(math.isfinite, values)):
        return math.nan
    numerator, denominator = exact_variance(values)
    # So many bits that the root has more than a double, and one more for what is left of it.
    shift = max(0, (DOUBLE_BITS - numerator.bit_length() + denominator.bit_length()) // 2)
    square, rest = divmod(numerator << 2 * shift, denominator)
    root = math.isqrt(square)
    is_cut = rest > 0 or root * root < square
    return (2 * root + is_cut) / (2 << shift)


def paired_difference(
    left: str, right: str, left_by_seed: Mapping[int, float], right_by_seed: Mapping[int, float]
) -> PairedDifference | None:
    """Compare two groups (name, then value by seed) over the seeds that both have; None when they share no seed."""
    seeds = tuple(sorted(left_by_seed.keys() & right_by_seed.keys()))
    if not seeds:
        return None
    summary = sample([left_by_seed[seed] - right_by_seed[seed] for seed in seeds])
    spread = has_spread(summary.sd)
    return PairedDifference(
        left=left,
        right=right,
        seeds=seeds,
        left_values=tuple(left_by_seed[seed] for seed in seeds),
        right_values=tuple(right_by_seed[seed] for seed in seeds),
        mean=summary.mean,
        sd=summary.sd,
        interval=summary.interval if spread else None,
        p_value=2 * t_below(summary.n - 1, -abs(_t_statistic(summary, 0.0))) if spread else None,
    )


def has_spread(sd: float | None) -> bool:
    """Whether there is noise to measure a difference against."""
    return sd is not None and sd > NO_SPREAD


def equivalence_p_value(difference: PairedDifference, margin: float) -> float | None:
    """p of the two one-sided paired t tests (TOST) that the true difference lies within +-`margin`.

    None where the noise cannot be estimated. Below ALPHA exactly when the 90 % t interval lies inside the margin.
    """
    if not has_spread(difference.sd):
        return None
    summary = Sample(difference.n, difference.mean, difference.sd, difference.interval)
    above_lower = t_below(difference.n - 1, -_t_statistic(summary, -margin))
    below_upper = t_below(difference.n - 1, _t_statistic(summary, margin))
    return max(above_lower, below_upper)


def _t_statistic(summary: Sample, mean: float) -> float:
    assert summary.sd is not None
    return (summary.mean - mean) / (summary.sd / math.sqrt(summary.n))
