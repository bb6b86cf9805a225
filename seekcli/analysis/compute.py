"""Accuracy for compute: the groups that no other beats at their cost, and what the FLOPs of a run were for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seekcli.analysis.groups import Group

if TYPE_CHECKING:
    from seekcli.analysis.comparison import Cell


@dataclass(frozen=True)
class Spent:
    """FLOPs of a run, mean over seeds: updates of base and larger, evaluation, re-estimation, condition."""

    name: str
    base: float
    motivated: float
    evaluation: float
    recalibration: float
    condition: float

    @property
    def parts(self) -> tuple[float, ...]:
        return self.base, self.motivated, self.evaluation, self.recalibration, self.condition

    @property
    def total(self) -> float:
        return sum(self.parts)


def front(groups: Sequence[Group]) -> list[Group]:
    """The Pareto front: by cost, those whose written models are better than every cheaper one."""
    found: list[Group] = []
    sign = 1 if any(group.metric.higher_is_better for group in groups) else -1
    for group in sorted(groups, key=lambda one: (one.cost.train_flops.mean, -sign * one.of_written_model.mean)):
        if not found or group.metric.is_better(group.of_written_model.mean, found[-1].of_written_model.mean):
            found.append(group)
    return found


def spent_by(cell: Cell) -> list[Spent]:
    """Of every group of runs in the cell, each once: the two models of an arm come out of the same runs."""
    alone = [group for group in (cell.x_c, cell.y_c) if group is not None]
    found = [_spent(group, group.model, 1.0 if group is cell.y_c else 0.0) for group in alone]
    for arm in cell.arms:
        measures = arm.efficiency
        share = (measures.f_xy - measures.f_x) / (measures.f_y - measures.f_x) if measures.f_y > measures.f_x else 0.0
        found.append(_spent(arm.base, arm.label, share * measures.f_y / measures.f_xy))
    return found


def _spent(group: Group, name: str, motivated_part: float) -> Spent:
    """`motivated_part` of the training FLOPs is the larger model's."""
    cost = group.cost
    return Spent(
        name=name,
        base=(1 - motivated_part) * cost.train_flops.mean,
        motivated=motivated_part * cost.train_flops.mean,
        evaluation=cost.evaluation_flops.mean,
        recalibration=cost.recalibration_flops.mean,
        condition=cost.condition_flops.mean,
    )
