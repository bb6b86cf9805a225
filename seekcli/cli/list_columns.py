"""`seek list columns`: what the tables of a run hold, of what, and in which unit."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from seekcli.runs import column_meanings
from seekcli.runs.column_meanings import Of

# In the words of people who read the tables.
WHOSE = {
    Of.RUN: "run",
    Of.EPOCH: "epoch: in both role rows, count it once",
    Of.ROLE: "role",
    Of.UPDATE: "update",
    Of.CLASS: "class of a split",
}
INTRODUCTION = """# Columns of a run's tables

What `seek list columns` shows. Units are in the names: `_percent` 0 to 100, `_flops` 2 a multiply-accumulate (MAC). Of
a run of two models epochs.parquet has two rows an epoch, one of each role; what is of the run or of the epoch stands in
both and counts once.
"""


def column_rows() -> list[dict[str, Any]]:
    """Every column of every table, in the order of the files."""
    from seekcli.runs import records

    tables = (
        (records.EPOCHS, records.EPOCH_SCHEMA, column_meanings.EPOCH_COLUMNS),
        (records.STEPS, records.STEP_SCHEMA, column_meanings.STEP_COLUMNS),
        (records.CLASSES, records.CLASS_SCHEMA, column_meanings.CLASS_COLUMNS),
    )
    return [
        {
            "table": table,
            "column": field.name,
            "type": f"{field.type}{' or null' if field.nullable else ''}",
            "of": WHOSE[meanings[field.name].of],
            "about": meanings[field.name].about,
        }
        for table, schema, meanings in tables
        for field in schema
    ]


def columns_page() -> str:
    """docs/columns.md."""
    lines: list[str] = [INTRODUCTION]
    for table, rows in groupby(column_rows(), key=lambda row: row["table"]):
        lines += [f"## {table}", "", "| column | type | of | about |", "|---|---|---|---|"]
        lines += [f"| `{row['column']}` | {row['type']} | {row['of']} | {row['about']} |" for row in rows]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
