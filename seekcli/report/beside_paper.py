"""What the paper printed of a pair on a data set, beside what was measured here."""

from __future__ import annotations

from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import PLAIN_NAMES, X_C, X_Y_B, X_Y_M, Y_C, Accuracy, Group
from seekcli.analysis.published import PaperResult, paper_results
from seekcli.report import wording
from seekcli.report.tables import Column, Table, TableRow, cell_settings, cell_title

NO_ROW = "The paper printed no row for these pairs."
NOTE = (
    "As printed; k is inferred from the printed forward costs. The measured accuracies are as trained, with the "
    "settings in the title, which need not be the paper's."
)
ALONE = {"base": X_C, "motivated": Y_C}
ALTERNATING = {"base": X_Y_B, "motivated": X_Y_M}
NOT_RUN = "not run"


def beside_table(cell: Cell) -> Table | None:
    """A row for each printed result and each arm that is of its condition; None where the paper has no such pair.

    Training images that were left out make other data.
    """
    if not (cell.base and cell.motivated and cell.metric.of_the_paper) or cell.settings.common.get("data.limit_train"):
        return None
    results = paper_results(cell.base, cell.motivated, cell.settings.data.partition(":")[0])
    if not results:
        return None
    columns = (
        Column("trained", numeric=False),
        Column("paper's table", numeric=False),
        Column("paper's k", numeric=False),
        Column("paper's n"),
        Column("paper's accuracy %"),
        Column("paper's gain"),
        Column("arm here", numeric=False),
        Column("n"),
        Column("accuracy %"),
        Column("gain [95% interval]"),
    )
    rows = [row for result in results for row in _rows(cell, result)]
    return Table(f"{cell_title(cell)}: {cell_settings(cell)}", columns, tuple(rows))


def _rows(cell: Cell, result: PaperResult) -> list[TableRow]:
    if result.condition is None:
        group = cell.x_c if result.role == "base" else cell.y_c
        return [_row(result, ALONE[result.role], _measured("", group, ""))]
    name = ALTERNATING[result.role]
    arms = [arm for arm in cell.arms if arm.base.settings.arm.get("motivation.condition") == result.condition]
    found = [
        _measured(arm.label, arm.base if result.role == "base" else arm.motivated, _gain(cell, arm.label, name))
        for arm in arms
    ]
    return [_row(result, name, measured) for measured in found or [_measured("", None, "")]]


def _gain(cell: Cell, arm: str, name: str) -> str:
    """Over the same model alone, as trained; empty where the two have no seed in common."""
    alone = X_C if name == X_Y_B else Y_C
    found = (
        one
        for one in cell.contrasts
        if (one.arm, one.difference.left, one.difference.right) == (arm, name, alone)
        and one.accuracy is Accuracy.AS_TRAINED
    )
    return next(map(wording.contrast_points, found), "")


def _measured(arm: str, group: Group | None, gain: str) -> tuple[str, ...]:
    return (NOT_RUN, "", "", "") if group is None else (arm, str(group.final.n), wording.final(group), gain)


def _row(result: PaperResult, name: str, measured: tuple[str, ...]) -> TableRow:
    condition = "" if result.condition is None else f", {result.condition}"
    sd = wording.NOT_AVAILABLE if result.sd_percent is None else f"{result.sd_percent:.2f}"
    return TableRow((
        f"{PLAIN_NAMES[name]}{condition}",
        ", ".join(result.tables),
        "" if result.inferred_k is None else str(result.inferred_k),
        str(result.runs),
        f"{result.mean_percent:.2f} ± {sd}",
        "" if result.gain_points is None else wording.points(result.gain_points),
        *measured,
    ))  # fmt: skip
