"""How numbers and lists are written for people. Rounding for display only; no statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.efficiency import StepShare
from seekcli.analysis.groups import PLAIN_NAMES, X_Y_B, X_Y_M, Group
from seekcli.analysis.metrics import Metric
from seekcli.analysis.statistics import Interval, PairedDifference, Sample
from seekcli.analysis.verdicts import Verdict

# In data the groups have the paper's names.
OF_A_GROWING_RUN = {X_Y_B: "base, until the end", X_Y_M: "larger, branched off"}
IN_A_DIFFERENCE = PLAIN_NAMES | {X_Y_B: "base", X_Y_M: "larger"}
NOT_AVAILABLE = "n/a"
UNDEFINED = "undefined"
PREFIXES = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18))


def group(name: str, grown: bool = False) -> str:
    return OF_A_GROWING_RUN.get(name, PLAIN_NAMES[name]) if grown else PLAIN_NAMES[name]


def group_title(found: Group) -> str:
    """`base, alternating [loss k=2 identity]`; a baseline has no arm."""
    return PLAIN_NAMES[found.name] if found.arm is None else f"{PLAIN_NAMES[found.name]} [{found.arm}]"


def difference(left: str, right: str) -> str:
    """`base - base alone`; the two models of one run are `larger - its own base`."""
    if (left, right) == (X_Y_M, X_Y_B):
        return "larger - its own base"
    return " - ".join(IN_A_DIFFERENCE.get(name, name) for name in (left, right))


def between_arms(left: str, differ_in: tuple[str, str], whole: bool) -> str:
    """`larger: identity - paper`, of arms that differ in one setting; `whole` adds what they share, `(loss k=2)`."""
    group_name, _, arm = left.removesuffix(")").partition(" (")
    shared = [word for word in arm.split() if word not in differ_in[0].split()]
    rest = f" ({' '.join(shared)})" if whole else ""
    return f"{IN_A_DIFFERENCE[group_name]}: {' - '.join(differ_in)}{rest}"


def ratio(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.3f}"


def seeds(count: int) -> str:
    return "1 common seed" if count == 1 else f"{count} common seeds"


def verdict(found: Verdict) -> str:
    """The word; where there is none, why."""
    return found.word if found.word is not None else str(found.unsaid)


def mean_and_sd(summary: Sample, digits: int = 2) -> str:
    """`98.52 ± 0.42`; one value has no sd."""
    return f"{summary.mean:.{digits}f} ± {NOT_AVAILABLE if summary.sd is None else f'{summary.sd:.{digits}f}'}"


def final(found: Group, recalibrated: bool = False) -> str:
    """Mean and sd of a group, with the digits of its metric."""
    chosen = found.recalibrated if recalibrated and found.recalibrated else found.final
    return mean_and_sd(chosen, found.metric.digits)


def metric_header(metric: Metric) -> str:
    """`test accuracy %`, `test loss`."""
    return f"{metric.title} {metric.mark}".rstrip()


def points(value: float | None, digits: int = 2) -> str:
    return UNDEFINED if value is None else f"{value:+.{digits}f}"


def points_with_interval(difference: PairedDifference, digits: int = 2) -> str:
    """`+0.18 [-0.55, +0.92]`."""
    interval, mean = difference.interval, points(difference.mean, digits)
    if interval is None:
        return f"{mean} [{NOT_AVAILABLE}]"
    return f"{mean} [{points(interval.low, digits)}, {points(interval.high, digits)}]"


def contrast_points(one: Contrast) -> str:
    """The difference with its interval, with the digits of its metric; the unit stands elsewhere."""
    return points_with_interval(one.difference, one.scale.metric.digits)


def share(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.2%}"


def share_words(found: StepShare, with_basis: bool) -> str:
    """`16.67%`, or `16.67% by chance`."""
    basis = f" {found.basis.replace('its ', '')}" if with_basis else ""
    return NOT_AVAILABLE if found.expected is None else f"{found.expected:.2%}{basis}"


def share_interval(interval: Interval | None) -> str:
    return f"[{NOT_AVAILABLE}]" if interval is None else f"[{interval.low:.2%}, {interval.high:.2%}]"


def p_value(value: float | None) -> str:
    if value is None:
        return NOT_AVAILABLE
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Three significant digits without an exponent where that stays short; `undefined` for None."""
    if value is None:
        return UNDEFINED
    text = f"{value + 0.0:.{digits}g}"  # minus zero reads as zero
    return text if "e" not in text or abs(value) < 1e-4 or abs(value) >= 1e9 else f"{value:,.0f}"


def prefix_for(values: Sequence[float]) -> tuple[str, float]:
    """The SI prefix, and its factor, with which the largest value reads as at least 1."""
    largest = max(values, default=0.0)
    return next((entry for entry in reversed(PREFIXES) if largest >= entry[1]), PREFIXES[0])


def scaled(value: float, factor: float) -> str:
    """A quantity in its column's prefix: two decimals, more where it is small."""
    number = value / factor
    return f"{number:.2f}" if number >= 0.1 or number == 0 else f"{number:.2g}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def seed_list(seeds: Sequence[int]) -> str:
    """`(0, 1, 2, 5)` -> `0-2,5`."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def setting(key: str, value: Any) -> str:
    shown = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"{key}={shown[:12] if key.endswith(('fingerprint', 'sha256')) else shown}"


def settings(marks: Mapping[str, Any]) -> str:
    return ", ".join(setting(key, value) for key, value in marks.items())
