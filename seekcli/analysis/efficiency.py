"""What the accuracy of an arm cost, by the paper's measures (section 4): F_XY, ACC/FLOPs and ACC/F_Ratio.

Costs are of one forward of one image, in MACs or in the FLOPs of another convention. (F_XY - F_X) / (F_Y - F_X) is the
motivated share of the images, nearly that of the steps, whatever the convention. So ACC/F_Ratio = (gain of X-Y-B / gain
of Y-C) / that share: it rewards a small share, that is a large k, mechanically.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seekcli.analysis.statistics import Interval, Sample, has_spread, sample

MILLION = 1e6
SAME_GAIN_POINTS = 1e-9
NOT_MEANINGFUL = "not meaningful"


@dataclass(frozen=True)
class StepShare:
    """Observed share of motivated steps (0..1, one value per run) and what is expected; `basis` says by what.

    The interval is a t interval on the logit of (m + 0.5) / (n - m + 0.5), m of n steps motivated, turned back with
    the half step: it never leaves 0..1. `expected_inside` says whether it holds the expected share; None if unknown.
    """

    observed: Sample
    expected: float | None
    expected_inside: bool | None
    basis: str = "by chance"


@dataclass(frozen=True)
class Efficiency:
    """ACC/FLOPs in accuracy points per million MACs (or FLOPs) of forward cost, and ACC/F_Ratio; None is undefined.

    `gain_*` are mean differences to X-C over common seeds, in points (or the unit of the metric that is compared).
    `ratio_remark` says why the ratio is undefined or must be read with care; None when there is nothing to say.
    """

    f_x: float
    f_y: float
    f_xy: float
    gain_x_y_b: float | None
    gain_y_c: float | None
    acc_per_flops_x_y_b: float | None
    acc_per_flops_y_c: float | None
    acc_f_ratio: float | None
    ratio_remark: str | None


def share_against_expected(
    steps: Sequence[tuple[int, int]], expected: float | None, basis: str = "by chance"
) -> StepShare:
    """From (motivated steps, all steps) of each run. Runs that agree exactly tell nothing of the noise: no interval."""
    observed = sample([m / n for m, n in steps])
    logits = sample([_logit(m, n) for m, n in steps])
    interval = logits.interval if has_spread(logits.sd) else None
    all_steps = steps[0][1]
    shown = None
    if interval is not None:
        shown = Interval(_share(interval.low, all_steps), _share(interval.high, all_steps))
    inside = None
    if expected is not None and interval is not None:
        inside = _logit(expected * all_steps, all_steps) in interval
    return StepShare(replace(observed, interval=shown), expected, inside, basis)


def _logit(motivated: float, steps: int) -> float:
    """Half a step is added to either side, so that no share is without a logit."""
    return math.log((motivated + 0.5) / (steps - motivated + 0.5))


def _share(logit: float, steps: int) -> float:
    """The share of so many steps that has this logit by `_logit`; within 0..1."""
    return min(1.0, max(0.0, (_expit(logit) * (steps + 1) - 0.5) / steps))


def _expit(logit: float) -> float:
    """The share with this logit; written so that no exponential overflows."""
    return 0.5 * (1 + math.tanh(logit / 2))


def efficiency(
    f_x: float, f_y: float, f_xy: float, gain_b: float | None, gain_y: float | None, gain_y_interval: Interval | None
) -> Efficiency:
    """From forward costs per image, and the gains of X-Y-B and Y-C over X-C in accuracy points (None: not known).

    `gain_y_interval` is the 95 % interval of the gain of Y-C: a ratio whose denominator may be 0 has no meaning.
    """
    per_flops_b = _per_million(gain_b, f_xy - f_x)
    per_flops_y = _per_million(gain_y, f_y - f_x)
    defined = per_flops_b is not None and per_flops_y is not None and abs(gain_y or 0.0) > SAME_GAIN_POINTS
    noise = gain_y_interval is not None and 0.0 in gain_y_interval
    ratio = None
    if defined and not noise and (gain_y or 0.0) > 0 and per_flops_b is not None and per_flops_y is not None:
        ratio = per_flops_b / per_flops_y
    return Efficiency(
        f_x=f_x,
        f_y=f_y,
        f_xy=f_xy,
        gain_x_y_b=gain_b,
        gain_y_c=gain_y,
        acc_per_flops_x_y_b=per_flops_b,
        acc_per_flops_y_c=per_flops_y,
        acc_f_ratio=ratio,
        ratio_remark=_remark(gain_b, gain_y, f_xy - f_x, f_y - f_x, gain_y_interval),
    )


def without_ratios(found: Efficiency, column: str) -> Efficiency:
    """The costs and gains alone: ACC/FLOPs and ACC/F_Ratio are the paper's, of accuracies."""
    remark = f"undefined: of {column}, and not of an accuracy"
    return replace(found, acc_per_flops_x_y_b=None, acc_per_flops_y_c=None, acc_f_ratio=None, ratio_remark=remark)


def _per_million(gain_points: float | None, extra_cost: float) -> float | None:
    if gain_points is None or extra_cost == 0:
        return None
    return gain_points / (extra_cost / MILLION)


def _remark(
    gain_b: float | None, gain_y: float | None, extra_xy: float, extra_y: float, gain_y_interval: Interval | None
) -> str | None:
    if gain_b is None:
        return "undefined: no base alone (X-C)"
    if gain_y is None:
        return "undefined: no larger alone (Y-C)"
    if extra_y == 0:
        return "undefined: both models cost the same"
    if extra_xy == 0:
        return "undefined: no motivated step was taken"
    if abs(gain_y) <= SAME_GAIN_POINTS:
        return "undefined: larger alone (Y-C) gains nothing over base alone (X-C)"
    if gain_y < 0:
        return f"{NOT_MEANINGFUL}: larger alone (Y-C) is below base alone (X-C)"
    if gain_y_interval is not None and 0.0 in gain_y_interval:
        return f"{NOT_MEANINGFUL}: the interval of larger alone - base alone (Y-C - X-C) holds 0"
    return None
