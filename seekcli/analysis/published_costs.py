"""What the paper's own FLOPs say: F_Y / F_XY and the share of every pair, and printed figures that do not follow.

All of it is computed from the labels of the tables, which are rounded to two to five digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seekcli.analysis.published import classic_rows, figures
from seekcli.config.settings import pair_name

# A share within this fraction of 1/(k+1)! is near chance.
NEAR_CHANCE = 0.3
# A printed figure farther than this from its own row is not explained by the rounding of the row.
ROUNDING = 0.1
PREFIX_FACTORS = {"M": 1e6, "G": 1e9}


@dataclass(frozen=True)
class PaperCost:
    """One alternating run of the paper that has a FLOPs label. `nearest_k` is that of the nearest 1/(k+1)! (log)."""

    table: str
    pair: str
    data: str
    family: str
    f_y_over_f_xy: float
    share: float
    nearest_k: int
    share_by_chance: float

    @property
    def near_chance(self) -> bool:
        return abs(self.share / self.share_by_chance - 1) <= NEAR_CHANCE


@dataclass(frozen=True)
class Misprint:
    """A figure of table 1, 2 or 4 that does not follow from the accuracies and FLOPs of its own row."""

    table: str
    pair: str
    data: str
    figure: str
    printed: float
    recomputed: float


def paper_costs() -> list[PaperCost]:
    """Every pair of tables 1, 2, 4 and 5; the two models of one run (table 5) count once."""
    return [_cost(row) for row in _labelled_rows()]


def misprints() -> list[Misprint]:
    """The printed ACC/FLOPs and ACC/F_Ratio that differ by more than 10 % from those of their own row."""
    return [
        one for row in _labelled_rows() for one in _figures(row) if abs(one.recomputed / one.printed - 1) > ROUNDING
    ]


def _labelled_rows() -> list[dict[str, str]]:
    rows = [row for row in figures("accuracy") if row["schedule"] == "alternating" and row["role"] == "base"]
    return [row for row in rows if row["flops_label"]]


def _forward_costs(row: dict[str, str]) -> tuple[float, float, float]:
    """F_X, F_Y and F_XY of an alternating row, in the FLOPs of its table."""
    classic = classic_rows()
    rows = classic[row["base"], row["dataset"]], classic[row["motivated"], row["dataset"]], row
    f_x, f_y, f_xy = (float(one["flops_label"][:-1]) * PREFIX_FACTORS[one["flops_label"][-1]] for one in rows)
    return f_x, f_y, f_xy


def _cost(row: dict[str, str]) -> PaperCost:
    f_x, f_y, f_xy = _forward_costs(row)
    share = (f_xy - f_x) / (f_y - f_x)
    nearest = min(range(1, 10), key=lambda k: abs(math.log(share / _by_chance(k))))
    pair = pair_name(row["base"], row["motivated"])
    family, data = row["family"], row["dataset"]
    return PaperCost(row["table"], pair, data, family, f_y / f_xy, share, nearest, _by_chance(nearest))


def _by_chance(k: int) -> float:
    return 1 / math.factorial(k + 1)


def _figures(row: dict[str, str]) -> list[Misprint]:
    """The figures printed for a pair, each with what its row gives. ACC/FLOPs is in points per M or per G."""
    classic = classic_rows()
    base, larger = classic[row["base"], row["dataset"]], classic[row["motivated"], row["dataset"]]
    f_x, f_y, f_xy = _forward_costs(row)
    unit = PREFIX_FACTORS[row["flops_label"][-1]]
    of_base = _gain(row, base) / ((f_xy - f_x) / unit)
    of_larger = _gain(larger, base) / ((f_y - f_x) / unit)
    found = (
        ("ACC/FLOPs of the base", row["acc_per_flops"], of_base),
        ("ACC/FLOPs of the larger model alone", larger["acc_per_flops"] if row["acc_f_ratio"] else "", of_larger),
        ("ACC/F_Ratio", row["acc_f_ratio"], of_base / of_larger),
    )
    pair = pair_name(row["base"], row["motivated"])
    return [
        Misprint(row["table"], pair, row["dataset"], figure, float(printed), recomputed)
        for figure, printed, recomputed in found
        if printed
    ]


def _gain(row: dict[str, str], other: dict[str, str]) -> float:
    return float(row["accuracy_mean"]) - float(other["accuracy_mean"])
