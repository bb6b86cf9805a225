"""Which groups are compared with which: the declared comparisons of a cell, and the family that each belongs to.

A new comparison is one line in OF_EACH_ARM, OF_EACH_GROWN_ARM or OF_THE_CELL, or, where it concerns several arms at
once, one function in PLANNERS. Its words follow from its family alone (`verdicts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from seekcli.analysis.arm_labels import words_of_difference
from seekcli.analysis.checks import Checks
from seekcli.analysis.groups import Accuracy, Arm, Group
from seekcli.analysis.metrics import Scale
from seekcli.analysis.power import Precision, precision
from seekcli.analysis.statistics import PairedDifference, equivalence_p_value, paired_difference
from seekcli.analysis.verdicts import Hypothesis, QuestionFamily, Verdict, judge

if TYPE_CHECKING:
    from seekcli.analysis.comparison import Cell


@dataclass(frozen=True)
class OfArm:
    """`left` minus `right` in every arm; a side that a cell does not have leaves the comparison out."""

    family: QuestionFamily
    left: Callable[[Cell, Arm], Group | None]
    right: Callable[[Cell, Arm], Group | None]
    accuracy: Accuracy | None = Accuracy.AS_TRAINED  # None: whichever `like_with_like` takes


@dataclass(frozen=True)
class OfCell:
    """`left` minus `right`, once in a cell."""

    family: QuestionFamily
    left: Callable[[Cell], Group | None]
    right: Callable[[Cell], Group | None]
    accuracy: Accuracy = Accuracy.AS_TRAINED


# In the order in which an arm's rows are shown. The larger model of an alternating run rests in most steps, and its
# running statistics with it: where both sides have re-estimated ones, those are compared.
OF_EACH_ARM = (
    OfArm(QuestionFamily.PRIMARY, lambda cell, arm: arm.base, lambda cell, arm: cell.x_c),
    OfArm(QuestionFamily.SECOND, lambda cell, arm: arm.motivated, lambda cell, arm: cell.y_c, None),
    OfArm(QuestionFamily.SECOND, lambda cell, arm: arm.motivated, lambda cell, arm: arm.base, None),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: cell.x_c, None),
    # At equal training compute. Not primary: the primary family is every arm's base - X-C.
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.base, lambda cell, arm: arm.x_c_equal),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: arm.y_c_equal, None),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.base, lambda cell, arm: cell.x_c, Accuracy.RECALIBRATED),
)
# The base of a growing run is a classic run: base - X-C is 0 by construction and no test, and larger - X-C is larger -
# base. Without a primary comparison nothing opens a second family.
OF_EACH_GROWN_ARM = (
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: cell.y_c),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: arm.base),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.base, lambda cell, arm: arm.x_c_equal),
    OfArm(QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: arm.y_c_equal),
    OfArm(
        QuestionFamily.EXPLORATORY, lambda cell, arm: arm.motivated, lambda cell, arm: cell.y_c, Accuracy.RECALIBRATED
    ),
)
OF_THE_CELL = (OfCell(QuestionFamily.EXPLORATORY, lambda cell: cell.y_c, lambda cell: cell.x_c),)


@dataclass(frozen=True)
class Planned:
    """A comparison that a cell has the runs for. `arm` is the label of the arm that it stands under, if any.

    `differ_in` is what tells the two sides apart where these are of two arms, `("k=2", "k=3")`, and `between` has the
    labels of those arms. `sides` are the groups left and right.
    """

    family: QuestionFamily
    arm: str | None
    accuracy: Accuracy
    difference: PairedDifference
    sides: tuple[Group, Group]
    test_images: int | None
    differ_in: tuple[str, str] | None = None
    between: tuple[str, str] | None = None


@dataclass(frozen=True)
class Contrast:
    """A comparison with its words. `scale` has the metric, and the smallest difference of interest."""

    family: QuestionFamily
    arm: str | None
    accuracy: Accuracy
    difference: PairedDifference
    sides: tuple[Group, Group]
    verdict: Verdict
    scale: Scale
    differ_in: tuple[str, str] | None = None
    between: tuple[str, str] | None = None

    @cached_property
    def precision(self) -> Precision | None:
        """What the seeds can show; None where there is no spread over seeds."""
        return precision(self.difference, self.scale.effect)

    @cached_property
    def checks(self) -> Checks:
        return Checks(self.difference)


def like_with_like(left: Group, right: Group) -> Accuracy:
    """Re-estimated where both sides have it for every seed that they share, else as trained; the same on both sides."""
    common = left.value_by_seed.keys() & right.value_by_seed.keys()
    known = left.recalibrated_by_seed.keys() & right.recalibrated_by_seed.keys()
    return Accuracy.RECALIBRATED if common and common <= known else Accuracy.AS_TRAINED


def plan_contrasts(
    family: QuestionFamily, arm: str | None, left: Group | None, right: Group | None, accuracy: Accuracy | None
) -> list[Planned]:
    """No row where a side is missing, or where the two share no seed with that accuracy."""
    if left is None or right is None:
        return []
    accuracy = accuracy or like_with_like(left, right)
    found = paired_difference(left.name, right.name, left.by_seed(accuracy), right.by_seed(accuracy))
    return [Planned(family, arm, accuracy, found, (left, right), left.test_images)] if found else []


def of_each_arm(cell: Cell) -> Iterator[Planned]:
    for arm in cell.arms:
        for one in OF_EACH_GROWN_ARM if arm.grown else OF_EACH_ARM:
            yield from plan_contrasts(one.family, arm.label, one.left(cell, arm), one.right(cell, arm), one.accuracy)


def of_the_cell(cell: Cell) -> Iterator[Planned]:
    for one in OF_THE_CELL:
        yield from plan_contrasts(one.family, None, one.left(cell), one.right(cell), one.accuracy)


def of_arms(cell: Cell) -> Iterator[Planned]:
    """Every arm against every other one that differs from it in one setting; a condition's own count with it."""
    for left, right in combinations(cell.arms, 2):
        differ_in = words_of_difference(left.base.settings.arm, right.base.settings.arm)
        if differ_in is None:
            continue
        bases = [] if left.grown and right.grown else [(left.base, right.base)]
        for one, other in (*bases, (left.motivated, right.motivated)):
            left_name, right_name = (f"{group.name} ({group.arm})" for group in (one, other))
            larger = one is left.motivated
            accuracy = like_with_like(one, other) if larger else Accuracy.AS_TRAINED
            found = paired_difference(left_name, right_name, one.by_seed(accuracy), other.by_seed(accuracy))
            if found:
                between, sides = (left.label, right.label), (one, other)
                family, images = QuestionFamily.EXPLORATORY, one.test_images
                yield Planned(family, None, accuracy, found, sides, images, differ_in, between)


PLANNERS: tuple[Callable[[Cell], Iterator[Planned]], ...] = (of_each_arm, of_the_cell, of_arms)


def contrasts_of(cells: Sequence[Cell]) -> list[tuple[Contrast, ...]]:
    """The comparisons of each cell, judged together: all the cells are one report."""
    planned = [[row for planner in PLANNERS for row in planner(cell)] for cell in cells]
    report = [_hypothesis(row, number, cells[number].scale) for number, rows in enumerate(planned) for row in rows]
    verdicts = iter(judge(report))
    return [
        tuple(_contrast(row, next(verdicts), cell.scale) for row in rows)
        for cell, rows in zip(cells, planned, strict=True)
    ]


def margin_for(scale: Scale, test_images: int | None) -> float:
    """The margin of equivalence: that of the scale, but never below what one test image is worth."""
    smallest = 100 / test_images if scale.metric.of_images and test_images is not None else 0.0
    return max(scale.margin, smallest)


def _hypothesis(row: Planned, cell_number: int, scale: Scale) -> Hypothesis:
    margin = margin_for(scale, row.test_images)
    found = row.difference
    equivalence = equivalence_p_value(found, margin)
    arm, higher = (cell_number, row.arm), scale.metric.higher_is_better
    return Hypothesis(row.family, arm, found.n, found.mean, found.p_value, equivalence, margin, higher)


def _contrast(row: Planned, verdict: Verdict, scale: Scale) -> Contrast:
    shared = (row.family, row.arm, row.accuracy, row.difference, row.sides)
    return Contrast(*shared, verdict, scale, row.differ_in, row.between)
