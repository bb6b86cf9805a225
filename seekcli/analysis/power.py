"""What n paired seeds can show: seeds for an effect of interest, and the smallest difference that n could have shown.

The observed difference never enters: "seeds needed for what was seen" is a p value under another name. What enters is
the standard deviation of the paired differences, which few seeds know badly; its interval stands beside every answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from seekcli.analysis.statistics import ALPHA, CONFIDENCE, Interval, PairedDifference, has_spread, t_quantile

POWER = 0.80
# From here on the normal approximation of the required n is exact to far below one seed in a thousand.
EXACT_SEEDS = 2000


@dataclass(frozen=True)
class Precision:
    """Of one paired difference: `seeds` find a true one of `effect` with 80 % power in one two-sided test.

    `seeds_low` and `seeds_high` are the same for the ends of `sd_interval` (chi-square, 95 %).
    `smallest_difference` is what the seeds at hand find with 80 % power, at the observed sd.
    """

    effect: float
    sd_interval: Interval
    seeds: int
    seeds_low: int
    seeds_high: int
    smallest_difference: float


def precision(difference: PairedDifference, effect: float) -> Precision | None:
    """None where there is no spread over seeds."""
    if difference.sd is None or not has_spread(difference.sd):
        return None
    interval = sd_interval(difference.n, difference.sd)
    return Precision(
        effect=effect,
        sd_interval=interval,
        seeds=seeds_needed(effect, difference.sd),
        seeds_low=seeds_needed(effect, interval.low),
        seeds_high=seeds_needed(effect, interval.high),
        smallest_difference=smallest_effect(difference.n) * difference.sd,
    )


def sd_interval(n: int, sd: float) -> Interval:
    """The chi-square interval of the standard deviation of normal values, from n >= 2 of them."""
    from scipy.special import chdtri

    tail = (1 - CONFIDENCE) / 2
    low, high = (sd * math.sqrt((n - 1) / float(chdtri(n - 1, upper))) for upper in (tail, 1 - tail))
    return Interval(low, high)


@dataclass(frozen=True)
class Decision:
    """What the seeds of a difference can find at a level `alpha` that is corrected for the other rows of a report.

    `power` (0..1) is the chance that they find a true difference of `effect`, `seeds` is what finds it with 80 %
    power. `_low` and `_high` are for the ends of the interval of the sd.
    """

    effect: float
    alpha: float
    power: float
    power_low: float
    power_high: float
    seeds: int
    seeds_low: int
    seeds_high: int


def decision(difference: PairedDifference, effect: float, alpha: float) -> Decision | None:
    """None where there is no spread over seeds."""
    if difference.sd is None or not has_spread(difference.sd):
        return None
    sd, interval, n = difference.sd, sd_interval(difference.n, difference.sd), difference.n
    return Decision(
        effect=effect,
        alpha=alpha,
        power=power(n, effect / sd, alpha),
        power_low=power(n, effect / interval.high, alpha),
        power_high=power(n, effect / interval.low, alpha),
        seeds=seeds_needed(effect, sd, alpha),
        seeds_low=seeds_needed(effect, interval.low, alpha),
        seeds_high=seeds_needed(effect, interval.high, alpha),
    )


def seeds_needed(mean: float, sd: float, alpha: float = ALPHA) -> int:
    """Smallest n whose two-sided paired t test finds a true mean difference `mean` (spread `sd`) with 80 % power.

    Exact (noncentral t) up to 2,000 seeds, the normal approximation above. Raises ValueError unless both are nonzero.
    """
    from scipy.special import ndtri

    if mean == 0 or sd <= 0:
        raise ValueError("seeds are needed for a difference and a spread above 0")
    effect = abs(mean) / sd
    # The normal approximation is a few seeds too low at most: count up from it, where nctdtr is accurate.
    n = max(2, math.ceil(((float(ndtri(1 - alpha / 2)) + float(ndtri(POWER))) / effect) ** 2))
    while n < EXACT_SEEDS and power(n, effect, alpha) < POWER:
        n += 1
    return n


@lru_cache(maxsize=1000)
def smallest_effect(n: int) -> float:
    """The true mean, in standard deviations, that the two-sided paired t test of n >= 2 seeds finds with 80 % power."""
    low, high = 0.0, 1.0
    while power(n, high) < POWER:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if power(n, middle) < POWER else (low, middle)
    return high


def power(n: int, effect: float, alpha: float = ALPHA) -> float:
    """Power of the two-sided paired t test with n >= 2 seeds for a mean of `effect` standard deviations (>= 0)."""
    from scipy.special import nctdtr

    critical = t_quantile(n - 1, 1 - alpha / 2)
    noncentrality = effect * math.sqrt(n)
    missed = float(nctdtr(n - 1, noncentrality, critical))
    wrong_side = float(nctdtr(n - 1, noncentrality, -critical))
    # nctdtr gives NaN far out in either tail, where both chances are nil.
    return 1 - (0.0 if math.isnan(missed) else missed) + (0.0 if math.isnan(wrong_side) else wrong_side)
