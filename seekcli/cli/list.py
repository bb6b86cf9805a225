"""`seek list`: the names that the other commands take, and the runs of a results folder."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.epoch_line import terminal_width
from seekcli.cli.list_columns import column_rows
from seekcli.cli.list_settings import setting_rows, settings_text
from seekcli.cli.output import ReadFormat, echo_json, say
from seekcli.method.roles import ROLES

if TYPE_CHECKING:
    from seekcli.runs.records import RunStatus

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


class What(StrEnum):
    MODELS = "models"
    DATA = "data"
    RECIPES = "recipes"
    CONDITIONS = "conditions"
    SETTINGS = "settings"
    COLUMNS = "columns"
    RUNS = "runs"


def list_command(
    what: Annotated[What, typer.Argument(help="models, data, recipes, conditions, settings, columns or runs.")],
    out: Annotated[Path, typer.Option(help="Results folder whose runs are listed.")] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """List models, data, recipes, conditions, settings, columns of a run's tables, or the runs of a folder."""
    rows = run_rows(out) if what is What.RUNS else LISTS[what]()
    if format_ is ReadFormat.JSON:
        echo_json(rows)
    elif what is What.SETTINGS:
        say(settings_text(rows))
    else:
        shown = shown_runs(rows) if what is What.RUNS else rows
        if what is What.COLUMNS:  # the name first: it heads the lines of its row where there is little room
            shown = [{"column": row["column"], **row} for row in rows]
        say(rows_table(shown) if rows else f"no {what.value}")


def model_rows() -> Rows:
    """Every model, its family's usual recipe, and the pair that it makes with the next larger one of its family."""
    from seekcli.config.settings import pair_name
    from seekcli.models.catalog import FAMILIES, MODELS

    rows = []
    for spec in MODELS.values():
        larger = [other for other in MODELS.values() if other.family == spec.family and other.order > spec.order]
        following = min(larger, key=lambda other: other.order, default=None)
        rows.append(
            {
                "name": spec.name,
                "family": spec.family,
                "designed_for_pixels": spec.image_size,
                "usual_recipe": FAMILIES[spec.family].recipes.usual,
                "pair_with_next": pair_name(spec.name, following.name) if following else None,
            }
        )
    return rows


def data_rows() -> Rows:
    """Every form that --data takes; sizes where the name alone decides them."""
    from seekcli.config.settings import DataConfig
    from seekcli.data.sets.kinds import KINDS
    from seekcli.data.sets.sources import data_facts

    rows: Rows = []
    for kind in KINDS.values():
        row: dict[str, Any] = dict.fromkeys(("name", "classes", "images", "train_images", "test_images"))
        if not kind.takes_more:
            facts = data_facts(DataConfig(name=kind.form))
            row |= {"classes": facts.classes, "train_images": facts.train_images, "test_images": facts.test_images}
            row["images"] = f"{facts.channels}x{facts.image_size}x{facts.image_size}"
        rows.append(row | {"name": kind.form, "about": kind.about})
    return rows


def recipe_rows() -> Rows:
    from seekcli.config.layers import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        settings = load_recipe(name)
        text = (resources.files("seekcli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
        rows.append(
            {
                "name": name,
                "epochs": settings.get("train.epochs"),
                "batch_size": settings.get("train.batch_size"),
                "lr": settings.get("optimizer.lr"),
                "about": tomllib.loads(text).get("about"),
            }
        )
    return rows


def condition_rows() -> Rows:
    """Each condition, with the share of motivated steps that is expected at the default k of 2, and by what.

    Those of installed packages are named, not imported.
    """
    from seekcli.config.condition_settings import share_basis
    from seekcli.method.condition import CONDITIONS, ConditionSettings, expected_share
    from seekcli.resolve.conditions import installed

    rows: Rows = []
    for name, condition in CONDITIONS.items():
        share = rounded(expected_share(name, ConditionSettings(k=2)))
        basis = None if share is None else share_basis("alternating", name)
        rows.append({"name": name, "expected_share_at_k_2": share, "expected": basis, "about": condition.about})
    unknown = {"expected_share_at_k_2": None, "expected": None}
    for name, points in installed().items():
        rows += [{"name": name, **unknown, "about": f"installed: {point.value}"} for point in points]
    return rows


def rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def run_rows(results: Path) -> Rows:
    """One row a run, those that cannot be read included."""
    from seekcli.runs.named_runs import config_of
    from seekcli.runs.scan import scan_runs

    rows = []
    for run in scan_runs([results]):
        config = config_of(run)
        final = {row["role"]: row for row in run.status.final} if run.status else {}
        rows.append(
            {
                "run": run.run_id,
                "state": run.state,
                "smoke": True if config is not None and config.smoke else None,
                "data": next((row["data"] for row in final.values()), config.data.name if config else None),
                **length_columns(run.status, config.train.steps if config else None),
                "fold": f"{run.status.fold} of {run.status.folds}" if run.status and run.status.folds else None,
                **{f"{role}_accuracy_percent": final.get(role, {}).get("test_accuracy_percent") for role in ROLES},
                **{
                    f"{role}_validation_accuracy_percent": final.get(role, {}).get("validation_accuracy_percent")
                    for role in ROLES
                },
                "path": str(run.path),
                "message": run.message,
            }
        )
    return rows


def length_columns(status: RunStatus | None, steps: int | None) -> dict[str, int | None]:
    """How far it is in epochs, or in steps where these were given: the last of its epochs may be a shorter one."""
    columns: dict[str, int | None] = dict.fromkeys(("epochs_done", "epochs", "steps_done", "steps"))
    if status is not None and steps is None:
        columns |= {"epochs_done": status.epochs_done, "epochs": status.epochs}
    elif status is not None:
        columns |= {"steps_done": status.steps_done, "steps": steps}
    return columns


LISTS: dict[What, Callable[[], Rows]] = {
    What.MODELS: model_rows,
    What.DATA: data_rows,
    What.RECIPES: recipe_rows,
    What.CONDITIONS: condition_rows,
    What.SETTINGS: setting_rows,
    What.COLUMNS: column_rows,
}


def rows_table(rows: Rows) -> str:
    from seekcli.report.columns import fitted

    kept = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    numeric = [key for key in kept if all(isinstance(row[key], int | float | None) for row in rows)]
    cells = [[cell_text(key, row[key]) for key in kept] for row in rows]
    headers = {key: HEADERS.get(key, key) for key in kept}
    return fitted(list(headers.values()), cells, terminal_width(), [headers[key] for key in numeric])


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
