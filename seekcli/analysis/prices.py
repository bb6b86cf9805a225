"""What an arm costs against its baselines: ratios of training FLOPs and wall time, and the forward of the larger model.

A ratio is None where a side is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seekcli.analysis.groups import Arm, Group

if TYPE_CHECKING:
    from seekcli.analysis.comparison import Cell


@dataclass(frozen=True)
class Prices:
    """Of one arm. `*_over_arm` are training FLOPs of a baseline's run over those of an alternating run.

    `arm_over_both_*` is one alternating run, which gives two models, over X-C and Y-C together.
    """

    f_y_over_f_xy: float | None
    x_c_over_arm: float | None
    x_c_equal_over_arm: float | None
    y_c_over_arm: float | None
    y_c_equal_over_arm: float | None
    arm_over_both_train_flops: float | None
    arm_over_both_seconds: float | None


def prices(cell: Cell, arm: Arm) -> Prices:
    def over_arm(group: Group | None) -> float | None:
        return None if group is None else arm.cost_ratio(group)

    flops = seconds = None
    if cell.x_c is not None and cell.y_c is not None:
        one, small, large = arm.base.cost, cell.x_c.cost, cell.y_c.cost
        flops = _ratio(one.train_flops.mean, small.train_flops.mean + large.train_flops.mean)
        seconds = _ratio(one.epoch_seconds.mean, small.epoch_seconds.mean + large.epoch_seconds.mean)
    return Prices(
        f_y_over_f_xy=_ratio(arm.efficiency.f_y, arm.efficiency.f_xy),
        x_c_over_arm=over_arm(cell.x_c),
        x_c_equal_over_arm=over_arm(arm.x_c_equal),
        y_c_over_arm=over_arm(cell.y_c),
        y_c_equal_over_arm=over_arm(arm.y_c_equal),
        arm_over_both_train_flops=flops,
        arm_over_both_seconds=seconds,
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
