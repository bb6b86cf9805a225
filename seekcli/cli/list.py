"""`seek list`: the names that the other commands take, and the runs of a results folder."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from seekcli.cli.output import ReadFormat, echo_json, say, terminal_width
from seekcli.engines import listings

Rows = list[dict[str, Any]]


class What(StrEnum):
    MODELS = "models"
    DATA = "data"
    RECIPES = "recipes"
    CONDITIONS = "conditions"
    TASKS = "tasks"
    SETTINGS = "settings"
    COLUMNS = "columns"
    RUNS = "runs"


def list_command(
    what: Annotated[What, typer.Argument(help="models, data, recipes, conditions, tasks, settings, columns or runs.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Results folder whose runs are listed, by state and size of their files: contents are not read."
        ),
    ] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """List models, data, recipes, conditions, tasks, settings, columns of tables, or the runs of a folder."""
    rows = listings.run_rows(out) if what is What.RUNS else LISTS[what]()
    from seekcli.report.listings import rows_table, settings_text, shown_runs

    if format_ is ReadFormat.JSON:
        echo_json(rows)
    elif what is What.SETTINGS:
        say(settings_text(rows))
    else:
        shown = shown_runs(rows) if what is What.RUNS else rows
        if what is What.COLUMNS:  # the name first: it heads the lines of its row where there is little room
            shown = [{"column": row["column"], **row} for row in rows]
        say(rows_table(shown, terminal_width()) if rows else f"no {what.value}")


LISTS: dict[What, Callable[[], Rows]] = {
    What.MODELS: listings.model_rows,
    What.DATA: listings.data_rows,
    What.RECIPES: listings.recipe_rows,
    What.CONDITIONS: listings.condition_rows,
    What.TASKS: listings.task_rows,
    What.SETTINGS: listings.setting_rows,
    What.COLUMNS: listings.column_rows,
}
