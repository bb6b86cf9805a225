"""Rows of names, settings, columns and runs, as text."""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

from seekcli.report.columns import fitted

Rows = list[dict[str, Any]]

# What tables call them, for want of room; JSON has the long names.
HEADERS = {
    "designed_for_pixels": "pixels",
    "batch_size": "batch",
    "train_images": "train",
    "test_images": "test",
    "images": "shape",
    "expected_share_at_k_2": "share at k=2",
    "base_accuracy_percent": "base %",
    "motivated_accuracy_percent": "larger %",
    "base_validation_accuracy_percent": "base validation %",
    "motivated_validation_accuracy_percent": "larger validation %",
}

SETTINGS_WIDTH, INDENT = 80, "    "
COLUMNS_INTRODUCTION = """# Columns of a run's tables

What `seek list columns` shows. Units are in the names: `_percent` 0 to 100, `_flops` 2 a multiply-accumulate (MAC). Of
a run of two models epochs.parquet has two rows an epoch, one of each role; what is of the run or of the epoch stands in
both and counts once.

Images stand here for whatever a model is shown: windows of a text, rows of numbers, the examples of a loop of your own.
A task or a loop of your own may add columns `test_NAME` and `validation_NAME`, numbers or null, after all others.
"""


def rows_table(rows: Rows, width: int) -> str:
    """A table of rows with the same keys, in that many columns of a terminal; what no row has is left out."""
    kept = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    numeric = [key for key in kept if all(isinstance(row[key], int | float | None) for row in rows)]
    cells = [[cell_text(key, row[key]) for key in kept] for row in rows]
    headers = {key: HEADERS.get(key, key) for key in kept}
    return fitted(list(headers.values()), cells, width, [headers[key] for key in numeric])


def shown_runs(rows: Rows) -> Rows:
    """Rows of runs as a table shows them: done and planned in one column, and no path that the run's id tells."""
    shown = []
    for row in rows:
        lengths = {unit: (row[f"{unit}_done"], row[unit]) for unit in ("epochs", "steps")}
        words = [f"{done}/{planned} {unit}" for unit, (done, planned) in lengths.items() if planned is not None]
        own = {key: value for key, value in row.items() if not key.startswith(("epochs", "steps"))}
        path = None if Path(row["path"]).name == row["run"] else row["path"]
        first = {"run": own.pop("run"), "state": own.pop("state"), "done": " ".join(words) or None}
        message, data = own.pop("message"), own.pop("data") or ""
        first |= {"data": data if ":" in data else None}  # a run id names a set, not whose folder it was
        shown.append(first | own | {"path": path, "message": message})
    return shown


def cell_text(key: str, value: object) -> object:
    if isinstance(value, float):
        return f"{value:.2f}" if key.endswith("_percent") else f"{value:g}"
    return value


def settings_text(rows: list[dict[str, Any]]) -> str:
    """By section, two lines or more a setting: key, default and what it takes, then what it means; 80 columns."""
    lines: list[str] = []
    for _, section in groupby(rows, key=lambda row: row["key"].rpartition(".")[0]):
        lines += ["", *(line for row in section for line in setting_lines(row))]
    return "\n".join(lines[1:])


def setting_lines(row: dict[str, Any]) -> list[str]:
    takes = ", ".join(map(str, row["choices"])) if row["choices"] else row["type"]
    if row["choices"] and "not set" in row["type"]:
        takes += ", or not set"
    first = f"{row['key']} = {default_in_words(row['default'])}   ({takes})"
    meaning = textwrap.wrap(row["meaning"], SETTINGS_WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return [*textwrap.wrap(first, SETTINGS_WIDTH, subsequent_indent=INDENT), *meaning]


def default_in_words(default: Any) -> str:
    """As `--set` takes it: `none` is not set."""
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def columns_page(columns: Rows) -> str:
    """docs/columns.md."""
    lines: list[str] = [COLUMNS_INTRODUCTION]
    for table, rows in groupby(columns, key=lambda row: row["table"]):
        lines += [f"## {table}", "", "| column | type | of | about |", "|---|---|---|---|"]
        lines += [f"| `{row['column']}` | {row['type']} | {row['of']} | {row['about']} |" for row in rows]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
