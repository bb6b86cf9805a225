"""How the read commands answer: the choice of `--format`, and JSON that any program can read."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import typer


class ReadFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def echo_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False))
