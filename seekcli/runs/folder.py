"""Where a run lives and how it stands there: new, unfinished, failed, finished or damaged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.config.identity import run_id, run_key
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.data.sets.sources import Dataset
from seekcli.documents import SCHEMA_VERSION, read_document
from seekcli.errors import BadInput, DamagedRun, NewerFile
from seekcli.runs import records
from seekcli.runs.config_file import read_config
from seekcli.runs.data_contents import CONTENTS, refuse_other_contents
from seekcli.runs.model_files import check_model_files
from seekcli.runs.parquet import read_table
from seekcli.runs.records import RunStatus
from seekcli.runs.step_log import StepLog
from seekcli.train.progress import Progress

if TYPE_CHECKING:
    import torch

AFRESH = "use --fresh to set this run aside and start again"
# How a run failed that could not write its first epoch: older programs recorded its steps as if they were saved.
FIRST_SAVE_FAILED = re.compile(
    r"cannot (write|make folder) .*/(checkpoint(/step-\d+\.safetensors)?|(epochs|steps|classes)\.parquet): "
)


def run_folder(results: Path, config: RunConfig) -> Path:
    return results / "runs" / run_id(config)


def config_document(resolved: Resolved, dataset: Dataset) -> dict[str, Any]:
    """config.json: the full resolved settings, where each came from, and what the data turned out to be."""
    facts, validation = dataset.facts, dataset.validation_labels
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id(resolved.config),
        "config": resolved.config.model_dump(mode="json"),
        "origins": resolved.origins,
        "facts": {
            "classes": facts.classes,
            "channels": facts.channels,
            "image_size": facts.image_size,
            "class_names": list(dataset.class_names),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "train_images": len(dataset.train_labels),
            "test_images": len(dataset.test_labels),
            "validation_images": 0 if validation is None else len(validation),
            "split": dataset.split,
            **({CONTENTS: dataset.contents} if dataset.contents else {}),
        },
    }


def standing(results: Path, resolved: Resolved, whole: bool = True) -> str:
    """ "finished", "failed" (it starts again, or goes on), "unfinished" or "new"; raises DamagedRun."""
    folder = run_folder(results, resolved.config)
    if finished_status(folder, resolved.config, whole) is not None:
        return "finished"
    if not (folder / records.CONFIG).exists():
        return "new"
    failed = (folder / records.STATUS).exists() and records.read_status(folder).state == "failed"
    return "failed" if failed else "unfinished"


def standing_or_damage(results: Path, resolved: Resolved) -> tuple[str, str | None]:
    """`standing` for lists of runs, which go on after a damaged one: ("damaged", what is wrong with it).

    Raises NewerFile: with a results folder of a later version nothing is right.
    """
    try:
        return standing(results, resolved, whole=False), None
    except NewerFile:
        raise
    except BadInput as error:
        return "damaged", str(error)


def finished_status(folder: Path, config: RunConfig, whole: bool = True) -> RunStatus | None:
    """The status of a run that is done, None for one that is not. Raises DamagedRun when its files are damaged.

    Without `whole` model files are not read, for lists of many runs.
    """
    if not (folder / records.CONFIG).exists():
        if any(folder.glob("checkpoint/*")) or (folder / records.EPOCHS).exists():
            raise DamagedRun(f"{folder / records.CONFIG} is missing from a run that has begun; {AFRESH}")
        return None
    check_config(folder / records.CONFIG, config)
    if not (folder / records.STATUS).exists():
        return None
    try:
        status = records.read_status(folder, run_id(config))
        if status.state == "finished":
            check_finished(folder, status, whole)
    except NewerFile:
        raise
    except BadInput as error:
        raise DamagedRun(f"{error}; {AFRESH}") from None
    return status if status.state == "finished" else None


def check_config(path: Path, config: RunConfig) -> None:
    """Raise DamagedRun unless the file holds the config of this run, BadInput where its data has other contents."""
    try:
        stored = read_config(path.parent)
    except NewerFile:
        raise
    except BadInput as error:
        raise DamagedRun(f"{error}; {AFRESH}") from None
    if stored.run_id != run_id(config) or run_key(stored.config) != run_key(config):
        whose = f" but of {stored.run_id}" if stored.run_id != run_id(config) else ""
        raise DamagedRun(f"{path} is not the config of this run{whose}; {AFRESH}")
    refuse_other_contents(stored, config.data)


def check_finished(folder: Path, status: RunStatus, whole: bool = True) -> None:
    """Raise BadInput, naming it, for a file that a finished run must have and that is missing or damaged.

    Model files may be large: without `whole` only their sizes are checked.
    """
    rows = records.read_epochs(folder / records.EPOCHS, status.run_id)
    if len(rows) != status.epochs_done * len(status.models):
        raise BadInput(f"{folder / records.EPOCHS} lacks rows of a finished run")
    records.check_epochs(folder, status)
    records.check_table(folder / records.STEPS, records.STEP_TABLE, status)
    if (folder / records.CLASSES).exists() or records.CLASSES in status.tables_sha256:
        records.check_table(folder / records.CLASSES, records.CLASS_TABLE, status)
    check_model_files(folder, status, whole)


def recorded_until(
    epoch: int, folder: Path, owner: str, is_last: bool = False
) -> tuple[list[records.Row], StepLog]:
    """The rows of epochs and the updates up to an epoch. Raises DamagedRun, naming the table.

    After the last epoch nothing writes the table of classes again, so it is looked at too.
    """
    try:
        rows = records.read_epochs(folder / records.EPOCHS, owner)
        steps = StepLog(read_table(folder / records.STEPS, records.STEP_TABLE, owner))
        if is_last and not lacks_classes(folder):
            classes = records.read_classes(folder / records.CLASSES, owner)
            if any(row["epoch"] != epoch for row in classes):
                raise BadInput(f"{folder / records.CLASSES} is not that of epoch {epoch}")
    except BadInput as error:
        raise DamagedRun(f"{error}; {AFRESH}") from None
    return [row for row in rows if row["epoch"] <= epoch], steps.until(epoch)


def lacks_classes(folder: Path) -> bool:
    """Whether an older program wrote the run, which knew no table of classes, nor of the steps saved."""
    if (folder / records.CLASSES).exists() or not (folder / records.STATUS).exists():
        return False
    return records.read_status(folder).steps_saved is None


def require_nothing_saved(folder: Path, config: RunConfig) -> None:
    """Raise DamagedRun for a run without a checkpoint whose steps were saved: somebody removed it."""
    if (folder / records.STATUS).exists() and (steps := steps_saved(folder, config)):
        raise DamagedRun(f"{folder / records.CHECKPOINTS} holds no checkpoint, and {steps} steps were saved; {AFRESH}")


def steps_saved(folder: Path, config: RunConfig) -> int:
    """How many steps the last checkpoint held, by what status.json says.

    A program that did not record it yet wrote the steps done. Those of a failed run were not saved when it ended
    before its first epoch was recorded, and before a checkpoint within that epoch was due.
    """
    status = records.read_status(folder)
    if status.steps_saved is not None:
        return status.steps_saved
    in_first_epoch = status.epochs_done == 0 or (
        status.epochs_done == 1 and FIRST_SAVE_FAILED.match(status.message or "") is not None
    )
    written = [(folder / name).stat().st_mtime for name in (records.CONFIG, records.STATUS)]
    none_was_due = written[1] - written[0] < 60 * config.runtime.checkpoint_minutes
    return 0 if status.state == "failed" and in_first_epoch and none_was_due else status.steps_done


def with_recorded_labels(folder: Path, resolved: Resolved) -> Resolved:
    """A run keeps the labels it was first asked under: resnet32 may be a motivated model here and a base there."""
    if not (folder / records.CONFIG).exists():
        return resolved
    stored = read_config(folder).config
    labels = {
        "schedule": stored.schedule,
        "pair.base": stored.pair.base,
        "pair.motivated": stored.pair.motivated,
        "data.name": stored.data.name,
    }
    return resolved.updated(labels, "recorded")


def warn_of_other_environment(folder: Path, owner: str, device: torch.device, progress: Progress) -> bool:
    """A resume is bit for bit only with the same torch and thread count: say so when they changed.

    False where environment.json does not say: it is missing, damaged, or of another run.
    """
    from seekcli.runs.environment import describe_environment

    path = folder / records.ENVIRONMENT
    try:
        then = read_document(path, since="run_id")
    except BadInput:
        then = None
    if not isinstance(then, dict) or then.get("run_id", owner) != owner:
        unfit = f"{path} is missing or damaged, or of another run"
        progress.note(f"{unfit}: whether this is the same environment cannot be told")
        return False
    now = describe_environment(device)
    changed = [key for key in ("torch", "threads", "cpu", "device") if then.get(key) != now.get(key)]
    if changed:
        words = ", ".join(f"{key} {then.get(key)} -> {now.get(key)}" for key in changed)
        progress.note(f"resuming with another environment ({words}): the numbers may differ in their last digits")
    return True
