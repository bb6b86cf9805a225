"""What a run that goes on takes up from its folder, and what it refuses: somebody may have been at its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, DamagedRun
from seekcli.runs.folder import AFRESH, RunFolder
from seekcli.runs.parquet import read_table
from seekcli.runs.records import STEP_TABLE, Row
from seekcli.runs.step_log import StepLog

# How a run failed that could not write its first epoch: older programs recorded its steps as if they were saved.
FIRST_SAVE_FAILED = re.compile(
    r"cannot (write|make folder) .*/(checkpoint(/step-\d+\.safetensors)?|(epochs|steps|classes)\.parquet): "
)


def recorded_until(folder: RunFolder, epoch: int, is_last: bool = False) -> tuple[list[Row], StepLog]:
    """The rows of epochs and the updates up to an epoch. Raises DamagedRun, naming the table.

    The table of classes is looked at too. After the last epoch nothing writes it again: then it has to be there.
    """
    try:
        rows = folder.epochs()
        steps = StepLog(read_table(folder.steps_path, STEP_TABLE, folder.owner))
        if folder.classes_path.exists() or (is_last and not lacks_classes(folder)):
            classes = folder.classes()
            if is_last and any(row["epoch"] != epoch for row in classes):
                raise BadInput(f"{folder.classes_path} is not that of epoch {epoch}")
    except BadInput as error:
        raise DamagedRun(f"{error}; {AFRESH}") from None
    return [row for row in rows if row["epoch"] <= epoch], steps.until(epoch)


def lacks_classes(folder: RunFolder) -> bool:
    """Whether an older program wrote the run, which knew no table of classes, nor of the steps saved."""
    if folder.classes_path.exists() or not folder.status_path.exists():
        return False
    return folder.status().steps_saved is None


def require_nothing_saved(folder: RunFolder, config: RunConfig) -> None:
    """Raise DamagedRun for a run without a checkpoint whose steps were saved: somebody removed it."""
    if folder.status_path.exists() and (steps := steps_saved(folder, config)):
        raise DamagedRun(f"{folder.checkpoints_path} holds no checkpoint, and {steps} steps were saved; {AFRESH}")


def steps_saved(folder: RunFolder, config: RunConfig) -> int:
    """How many steps the last checkpoint held, by what status.json says.

    A program that did not record it yet wrote the steps done. Those of a failed run were not saved when it ended
    before its first epoch was recorded, and before a checkpoint within that epoch was due.
    """
    status = folder.status()
    if status.steps_saved is not None:
        return status.steps_saved
    in_first_epoch = status.epochs_done == 0 or (
        status.epochs_done == 1 and FIRST_SAVE_FAILED.match(status.message or "") is not None
    )
    begun, ended = (path.stat().st_mtime for path in (folder.config_path, folder.status_path))
    none_was_due = ended - begun < 60 * config.runtime.checkpoint_minutes
    return 0 if status.state == "failed" and in_first_epoch and none_was_due else status.steps_done


def with_recorded_labels(folder: RunFolder, resolved: Resolved) -> Resolved:
    """A run keeps the labels it was first asked under: resnet32 may be a motivated model here and a base there."""
    if not folder.has_config:
        return resolved
    stored = folder.config()
    labels = {
        "schedule": stored.schedule,
        "pair.base": stored.pair.base,
        "pair.motivated": stored.pair.motivated,
        "data.name": stored.data.name,
    }
    return resolved.updated(labels, "recorded")


def warn_of_other_environment(folder: RunFolder, now: Mapping[str, Any], note: Callable[[str], None]) -> bool:
    """A resume is bit for bit only with the same torch and thread count: say so when they changed.

    False where environment.json does not say: it is missing, damaged, or of another run.
    """
    try:
        then = folder.environment()
    except BadInput:
        then = None
    if then is None:
        unfit = f"{folder.environment_path} is missing or damaged, or of another run"
        note(f"{unfit}: whether this is the same environment cannot be told")
        return False
    changed = [key for key in ("torch", "threads", "cpu", "device") if then.get(key) != now.get(key)]
    if changed:
        words = ", ".join(f"{key} {then.get(key)} -> {now.get(key)}" for key in changed)
        note(f"resuming with another environment ({words}): the numbers may differ in their last digits")
    return True
