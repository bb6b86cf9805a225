"""What there is, as data: models, data, recipes, conditions, tasks, the runs of a results folder. For `seek list`."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput, NewerFile
from seekcli.method.roles import ROLES

if TYPE_CHECKING:
    from seekcli.runs.records import RunStatus
    from seekcli.runs.scan import RunSummary

Rows = list[dict[str, Any]]


def model_rows() -> Rows:
    """Every model, its family's usual recipe, and the pair that it makes with the next larger one of its family.

    Those of installed packages are named, not imported.
    """
    from seekcli.config.settings import pair_name
    from seekcli.models.catalog import FAMILIES, MODELS, contains
    from seekcli.models.own_models import RECIPE
    from seekcli.own_code.installed import MODELS as GROUP, installed

    rows = []
    for spec in MODELS.values():
        larger = [other for other in MODELS.values() if contains(spec, other)]
        following = min(larger, key=lambda other: other.order, default=None)
        rows.append(
            {
                "name": spec.name,
                "family": spec.family,
                "designed_for_pixels": None if FAMILIES[spec.family].reads_text else spec.image_size,
                "usual_recipe": FAMILIES[spec.family].recipes.usual,
                "pair_with_next": pair_name(spec.name, following.name) if following else None,
            }
        )
    unknown = {"designed_for_pixels": None, "usual_recipe": RECIPE, "pair_with_next": None}
    for name, points in installed(GROUP, MODELS).items():
        rows += [{"name": name, "family": f"installed: {point.value}", **unknown} for point in points]
    return rows


def data_rows() -> Rows:
    """Every form that --data takes; sizes where the name alone decides them. What packages bring is not imported."""
    from seekcli.config.settings import DataConfig
    from seekcli.data.sets.kinds import KINDS
    from seekcli.data.sets.sources import data_facts
    from seekcli.own_code.installed import DATA, installed

    rows: Rows = []
    for kind in KINDS.values():
        row: dict[str, Any] = dict.fromkeys(("name", "classes", "images", "train_images", "test_images"))
        if not kind.takes_more:
            facts = data_facts(DataConfig(name=kind.form))
            row |= {"classes": facts.classes, "train_images": facts.train_images, "test_images": facts.test_images}
            row["images"] = f"{facts.channels}x{facts.image_size}x{facts.image_size}"
        rows.append(row | {"name": kind.form, "about": kind.about})
    for name, points in installed(DATA, KINDS).items():
        rows += [dict.fromkeys(rows[0]) | {"name": name, "about": f"installed: {point.value}"} for point in points]
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
    from seekcli.own_code.installed import CONDITIONS as GROUP, installed

    rows: Rows = []
    for name, condition in CONDITIONS.items():
        share = rounded(expected_share(name, ConditionSettings(k=2)))
        basis = None if share is None else share_basis("alternating", name)
        rows.append({"name": name, "expected_share_at_k_2": share, "expected": basis, "about": condition.about})
    unknown = {"expected_share_at_k_2": None, "expected": None}
    for name, points in installed(GROUP, CONDITIONS).items():
        rows += [{"name": name, **unknown, "about": f"installed: {point.value}"} for point in points]
    return rows


def task_rows() -> Rows:
    """What a run does by itself, and the tasks of installed packages, which are named and not imported."""
    from seekcli.own_code.installed import TASKS as GROUP, installed
    from seekcli.resolve.own_tasks import SHIPPED

    rows: Rows = [{"name": name, "about": about} for name, about in SHIPPED.items()]
    for name, points in installed(GROUP, SHIPPED).items():
        rows += [{"name": name, "about": f"installed: {point.value}"} for point in points]
    return rows


def rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def run_rows(results: Path) -> Rows:
    """One row a run, those that cannot be read included. Files of a finished run are looked at, never read whole."""
    from seekcli.runs.overlapped import overlapped
    from seekcli.runs.scan import scan_runs

    return list(overlapped(run_row, scan_runs([results])))


def run_row(run: RunSummary) -> dict[str, Any]:
    from seekcli.runs.records import NEWER

    config, state, message = None, run.state, run.message
    try:
        config = run.folder.config() if run.folder.config_path.is_file() else None
        if run.status is not None and state == "finished":
            require_whole(run, run.status)
    except BadInput as error:
        if state not in ("unreadable", NEWER):
            state, message = NEWER if isinstance(error, NewerFile) else "damaged", str(error)
    final = {row["role"]: row for row in run.status.final} if run.status else {}
    return {
        "run": run.run_id,
        "state": state,
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
        "message": message,
    }


def require_whole(run: RunSummary, status: RunStatus) -> None:
    """Raise BadInput for what is plainly wrong with the files of a finished run that are there; a published one has
    none.

    Of its table of epochs the first and last bytes are read.
    """
    from seekcli.runs.quick_check import problem_of_sizes

    if wrong := run.folder.epochs_problem() or problem_of_sizes(run.path, status):
        raise BadInput(wrong)


def length_columns(status: RunStatus | None, steps: int | None) -> dict[str, int | None]:
    """How far it is in epochs, or in steps where these were given: the last of its epochs may be a shorter one."""
    columns: dict[str, int | None] = dict.fromkeys(("epochs_done", "epochs", "steps_done", "steps"))
    if status is not None and steps is None:
        columns |= {"epochs_done": status.epochs_done, "epochs": status.epochs}
    elif status is not None:
        columns |= {"steps_done": status.steps_done, "steps": steps}
    return columns


def setting_rows() -> Rows:
    """Every key of `--set`, recipes and grid files, with its type, default, choices and meaning."""
    from seekcli.config.describe import described_settings

    return described_settings()


def column_rows() -> Rows:
    """Every column of a run's tables."""
    from seekcli.runs import column_meanings

    return column_meanings.column_rows()
