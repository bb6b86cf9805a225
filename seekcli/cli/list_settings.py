"""`seek list settings`: every key of `--set`, recipes and grid files, with its type, default, choices and meaning."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import Any

WIDTH, INDENT = 80, "    "


def setting_rows() -> list[dict[str, Any]]:
    from seekcli.config.describe import described_settings

    return described_settings()


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
    first = f"{row['key']} = {in_words(row['default'])}   ({takes})"
    meaning = textwrap.wrap(row["meaning"], WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return [*textwrap.wrap(first, WIDTH, subsequent_indent=INDENT), *meaning]


def in_words(default: Any) -> str:
    """As `--set` takes it: `none` is not set."""
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
