"""Whether a run gave two models or one twice: the usage of the added blocks, and where the answers differ."""

from __future__ import annotations

from seekcli.analysis.comparison import Cell
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import X_Y_B, X_Y_M, Arm
from seekcli.analysis.statistics import Sample
from seekcli.analysis.verdicts import LEAST_SEEDS_FOR_A_STRONG_WORD
from seekcli.report import wording
from seekcli.report.tables import Column, Table, TableRow

# Below it the added blocks write less than a tenth of what the mapped blocks beside them write.
USED_FROM = 0.1
LEGEND = (
    "Usage is the mean size of the last scales of the added blocks over that of the other blocks of their stage: 0 "
    "where they do nothing, about 1 where they do as much. Answers differ: the share of the test images on which the "
    "two models of one run answer differently, and how often each is right there. A larger model is called its base "
    "only where equivalence is shown with 5 or more seeds and the usage, where there is one, is below 0.1."
)


def apart_table(cell: Cell) -> Table | None:
    """None where no run says how far its models are apart."""
    arms = [arm for arm in cell.arms if arm.apart.answers_differ_percent is not None]
    if not arms:
        return None
    columns = (
        Column("motivation", numeric=False),
        Column("usage of added blocks"),
        Column("answers differ %"),
        Column("base right there %"),
        Column("larger right there %"),
    )
    return Table("The two models of a run: one model or two?", columns, tuple(_row(arm) for arm in arms))


def _row(arm: Arm) -> TableRow:
    apart = arm.apart
    shown = (
        _shown(apart.usage, 3),
        _shown(apart.answers_differ_percent, 2),
        _shown(apart.base_accuracy_where_differ_percent, 1),
        _shown(apart.motivated_accuracy_where_differ_percent, 1),
    )
    return TableRow((arm.label, *shown))


def _shown(found: Sample | None, digits: int) -> str:
    if found is None:
        return wording.NOT_AVAILABLE
    spread = "" if found.sd is None else f" ± {found.sd:.{digits}f}"
    return f"{found.mean:.{digits}f}{spread}"


def same_model_notes(cell: Cell) -> list[str]:
    """Said only of an arm whose larger model is shown to be equivalent to its own base, and hardly uses its blocks."""
    notes = []
    for arm in cell.arms:
        usage, found = arm.apart.usage, _larger_against_its_base(cell, arm)
        shown = found is not None and found.verdict.equivalent and found.difference.n >= LEAST_SEEDS_FOR_A_STRONG_WORD
        if found is not None and shown and (usage is None or usage.mean < USED_FROM):
            used = "" if usage is None else f"usage {usage.mean:.2g}, "
            margin = found.verdict.margin
            notes.append(
                f"{arm.label}: the larger model is its base: {used}difference within {margin:.2g} {cell.metric.unit}"
            )
    return notes


def _larger_against_its_base(cell: Cell, arm: Arm) -> Contrast | None:
    of_arm = (one for one in cell.contrasts if one.arm == arm.label)
    return next((one for one in of_arm if (one.difference.left, one.difference.right) == (X_Y_M, X_Y_B)), None)
