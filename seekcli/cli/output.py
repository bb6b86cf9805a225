"""How the read commands answer: the choice of `--format`, plain aligned columns, and JSON that any program can read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import typer


class ReadFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def echo_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False))


def echo_columns(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Left-aligned columns two spaces apart; None shows as `-`. The same on a terminal and in a pipe."""
    cells = [list(header), *(["-" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
