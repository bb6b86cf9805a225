"""Small-sample statistics over seeds: mean and sd, t intervals, paired differences, seeds needed.

`scipy.stats` takes a second to import, so the t and noncentral t distributions come from `scipy.special`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80
# Percentages are rounded quotients: a spread below this is rounding of equal numbers, not noise.
NO_SPREAD = 1e-9
# From here on the normal approximation of the required n is exact to far below one seed in a thousand.
EXACT_SEEDS = 2000

BEYOND = "beyond the noise"
INSIDE = "inside the noise"
IDENTICAL = "no difference"
UNKNOWN = "noise unknown"


@dataclass(frozen=True)
class Interval:
    """A 95 % Student t interval of a mean, in the unit of its values."""

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
    """The difference `left - right` over common seeds, in accuracy points, against its own noise.

    `interval` is the 95 % t interval and `p_value` that of the two-sided paired t test; both are None where the noise
    cannot be estimated (one common seed, or differences without any spread). `seeds_needed` is the number of paired
    seeds with which the observed effect would be found with 80 % power at alpha 0.05.
    """

    left: str
    right: str
    seeds: tuple[int, ...]
    mean: float
    sd: float | None
    interval: Interval | None
    p_value: float | None
    verdict: str
    seeds_needed: int | None


def t_quantile(degrees: int, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def sample(values: Sequence[float]) -> Sample:
    """Summarise at least one value. Raises ValueError for none."""
    if not values:
        raise ValueError("a sample needs at least one value")
    mean = fmean(values)
    if len(values) < 2:
        return Sample(n=1, mean=mean, sd=None, interval=None)
    sd = stdev(values)
    half = t_quantile(len(values) - 1, 0.5 + CONFIDENCE / 2) * sd / math.sqrt(len(values))
    return Sample(n=len(values), mean=mean, sd=sd, interval=Interval(mean - half, mean + half))


def paired_difference(
    left: str, right: str, left_by_seed: Mapping[int, float], right_by_seed: Mapping[int, float]
) -> PairedDifference | None:
    """Compare two groups (name, then value by seed) over the seeds that both have; None when they share no seed."""
    seeds = tuple(sorted(left_by_seed.keys() & right_by_seed.keys()))
    if not seeds:
        return None
    summary = sample([left_by_seed[seed] - right_by_seed[seed] for seed in seeds])
    spread = summary.sd is not None and summary.sd > NO_SPREAD
    p_value = _p_value(summary) if spread else None
    return PairedDifference(
        left=left,
        right=right,
        seeds=seeds,
        mean=summary.mean,
        sd=summary.sd,
        interval=summary.interval if spread else None,
        p_value=p_value,
        verdict=_verdict(summary, p_value),
        seeds_needed=seeds_needed(summary.mean, summary.sd) if spread and summary.sd else None,
    )


def _p_value(summary: Sample) -> float:
    from scipy.special import stdtr

    assert summary.sd is not None
    t = summary.mean / (summary.sd / math.sqrt(summary.n))
    return float(2 * stdtr(summary.n - 1, -abs(t)))


def _verdict(summary: Sample, p_value: float | None) -> str:
    if p_value is not None:
        return BEYOND if p_value < ALPHA else INSIDE
    if summary.n > 1 and abs(summary.mean) <= NO_SPREAD:
        return IDENTICAL
    return UNKNOWN


def seeds_needed(mean: float, sd: float) -> int | None:
    """Smallest n whose two-sided paired t test finds a true mean difference `mean` (spread `sd`) with 80 % power.

    None when there is no effect to find. Exact (noncentral t) up to 2,000 seeds, the normal approximation above.
    """
    from scipy.special import ndtri

    if abs(mean) <= NO_SPREAD or sd <= 0:
        return None
    effect = abs(mean) / sd
    # The normal approximation is a few seeds too low at most: count up from it, where nctdtr is accurate.
    n = max(2, math.ceil(((float(ndtri(1 - ALPHA / 2)) + float(ndtri(POWER))) / effect) ** 2))
    while n < EXACT_SEEDS and power(n, effect) < POWER:
        n += 1
    return n


def power(n: int, effect: float) -> float:
    """Power of the two-sided paired t test with n >= 2 seeds for a mean of `effect` standard deviations (>= 0)."""
    from scipy.special import nctdtr

    critical = t_quantile(n - 1, 1 - ALPHA / 2)
    noncentrality = effect * math.sqrt(n)
    missed = float(nctdtr(n - 1, noncentrality, critical))
    wrong_side = float(nctdtr(n - 1, noncentrality, -critical))
    # nctdtr gives NaN far out in either tail, where both chances are nil.
    return 1 - (0.0 if math.isnan(missed) else missed) + (0.0 if math.isnan(wrong_side) else wrong_side)
