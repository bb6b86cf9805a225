"""`--by KEY`: the arms of a comparison sorted by the value of a setting. The words stay those of the whole report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import X_C, X_Y_B, X_Y_M, Y_C, Arm
from seekcli.analysis.metrics import refuse_mixed
from seekcli.analysis.selection import WHERE_KEYS, WHERE_SHORT_NAMES, setting_value
from seekcli.errors import BadInput, unknown


@dataclass(frozen=True)
class ArmBy:
    """An arm of a cell, and its two comparisons with the models alone; None where a baseline is missing."""

    cell: Cell
    arm: Arm
    base: Contrast | None
    larger: Contrast | None


@dataclass(frozen=True)
class Part:
    """The arms that have these values of the settings that were asked for."""

    values: tuple[tuple[str, Any], ...]
    arms: tuple[ArmBy, ...]


def parse_by(words: Sequence[str]) -> list[str]:
    """Full keys of settings, each once. Raises BadInput for an unknown one, and for what runs are averaged over."""
    keys = []
    for word in words:
        key = word.strip().replace("-", "_")
        if key not in WHERE_KEYS:
            raise unknown("--by", word.strip(), WHERE_KEYS)
        keys.append(WHERE_SHORT_NAMES.get(key, key))
    if "seed" in keys:
        raise BadInput("--by seed: runs are averaged over their seeds; seek list runs shows each")
    return list(dict.fromkeys(keys))


def parts_by(comparison: Comparison, keys: Sequence[str]) -> list[Part]:
    """In the order of the values, numbers by size.

    Raises BadInput where there is no run of both models to sort, and for runs that are compared by several metrics.
    """
    refuse_mixed(comparison.metrics, f"--by {' '.join(keys)}")
    found: dict[tuple[tuple[str, Any], ...], list[ArmBy]] = {}
    for cell in comparison.cells:
        for arm in cell.arms:
            values = tuple((key, setting_value(arm.base.settings, None, key)) for key in keys)
            found.setdefault(values, []).append(_arm_by(cell, arm))
    if not found:
        raise BadInput(f"--by {' '.join(keys)}: no finished run of both models has settings to sort by")
    return [Part(values, tuple(found[values])) for values in sorted(found, key=_order)]


def _order(values: tuple[tuple[str, Any], ...]) -> tuple[Any, ...]:
    """Those without a value first, then numbers by size, then words."""
    return tuple(
        (0, 0.0, "") if value is None else (1, float(value), "") if _is_number(value) else (2, 0.0, str(value))
        for _, value in values
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _arm_by(cell: Cell, arm: Arm) -> ArmBy:
    def between(left: str, right: str) -> Contrast | None:
        return next(
            (
                one
                for one in cell.contrasts
                if one.arm == arm.label and (one.difference.left, one.difference.right) == (left, right)
            ),
            None,
        )

    return ArmBy(cell, arm, between(X_Y_B, X_C), between(X_Y_M, Y_C))
