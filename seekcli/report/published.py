"""The paper's own rows as a page: terminal, markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from seekcli.analysis.published import PaperRow, paper_rows
from seekcli.report import wording
from seekcli.report.columns import aligned
from seekcli.report.tables import Column, Row, Table
from seekcli.report.text import markdown_table

COLUMNS = ("table", "model", "pair", "data", "trained", "points", "n", "p")
NUMBERS = ("table", "points", "n", "p")
SOURCE = "M. Acheli, W. Gaaloul, Motivation Is Something You Need, arXiv 2602.21064v1"


def notes(rows: list[PaperRow]) -> list[str]:
    tested = [row for row in rows if row.table not in ("2", "3") and row.p_value is not None]
    p_values = [row.p_value for row in tested if row.p_value is not None]
    transfer = [row.p_value for row in rows if row.table == "3" and row.p_value is not None]
    cifar = {
        data: max(row.gain_points for row in tested if row.data == data and row.trained.startswith("base"))
        for data in ("cifar10", "cifar100")
    }
    below = sum(p < 0.05 for p in p_values)
    return [
        f"Tables 1, 4, 5, 6 and 7: {len(tested)} rows against their classic counterpart, {below} "
        f"with p below 0.05 before any correction (smallest {min(p_values):.2f}). Some rows stand in two tables.",
        f"Table 3: {len(transfer)} comparisons, all with p < 1e-4 (largest {max(transfer):.1e}), but over 3 transfers "
        "from one source run each: the noise between source runs is not in them.",
        "Table 2 has one run of each: no test.",
        f"The largest gains of a base model are {cifar['cifar10']:+.2f} points (CIFAR-10) and {cifar['cifar100']:+.2f} "
        "(CIFAR-100), where the text says 0.3 and 0.5.",
        "p is two-sided Welch's test from the printed means, standard deviations and numbers of runs. A large p is no "
        "proof that there is no effect: 3 to 5 unpaired runs find only large ones.",
    ]


def cells(row: PaperRow) -> tuple[str, ...]:
    p_value = wording.p_value(row.p_value) if row.p_value is None or row.p_value >= 0.001 else f"{row.p_value:.0e}"
    points = wording.points(row.gain_points)
    return row.table, row.model, row.pair, row.data, row.trained, points, str(row.runs), p_value


def table_text() -> str:
    rows = paper_rows()
    lines = [f"The rows of {SOURCE}", "", aligned(COLUMNS, [cells(row) for row in rows], NUMBERS), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(rows))]) + "\n"


def markdown_text() -> str:
    rows = paper_rows()
    columns = tuple(Column(name, numeric=name in NUMBERS) for name in COLUMNS)
    table = markdown_table(Table("", columns, tuple(Row(cells(row)) for row in rows)))
    lines = ["# The paper's own rows", "", f"{SOURCE}. Printed by `seek compare --paper --format markdown`.", ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(rows)), "", *table]) + "\n"


def json_text() -> str:
    rows = paper_rows()
    return json.dumps({"source": SOURCE, "rows": [asdict(row) for row in rows], "notes": notes(rows)}, indent=2) + "\n"


def csv_text() -> str:
    rows = [asdict(row) for row in paper_rows()]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
