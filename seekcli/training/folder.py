"""Where a run lives and how it stands there: new, unfinished or finished; damaged is bad input."""

from __future__ import annotations

from pathlib import Path

import torch

from seekcli import files, records
from seekcli.config import Resolved, RunConfig, identity, run_id
from seekcli.errors import BadInput
from seekcli.records import RunStatus
from seekcli.training.environment import describe_environment
from seekcli.training.progress import Progress


def run_folder(results: Path, config: RunConfig) -> Path:
    return results / "runs" / run_id(config)


def standing(results: Path, resolved: Resolved) -> str:
    """ "finished", "unfinished" or "new"; raises BadInput for a damaged folder."""
    folder = run_folder(results, resolved.config)
    if finished_status(folder, resolved.config) is not None:
        return "finished"
    return "unfinished" if (folder / records.CONFIG).exists() else "new"


def finished_status(folder: Path, config: RunConfig) -> RunStatus | None:
    """The status of a run that is done, None for one that is not. Raises BadInput when its files are damaged."""
    if not (folder / records.CONFIG).exists():
        if any(folder.glob("checkpoint/*")) or (folder / records.EPOCHS).exists():
            raise BadInput(
                f"{folder / records.CONFIG} is missing from a run that has begun; use --fresh to set it aside"
            )
        return None
    stored = files.read_json(folder / records.CONFIG)
    try:
        matches = stored["run_id"] == run_id(config) and identity(
            RunConfig.model_validate(stored["config"])
        ) == identity(config)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{folder / records.CONFIG} is damaged: {str(error).splitlines()[0]}; use --fresh to set it aside"
        ) from None
    if not matches:
        raise BadInput(f"{folder / records.CONFIG} is not the config of this run; use --fresh to set it aside")
    if not (folder / records.STATUS).exists():
        return None
    status = records.read_status(folder)
    return status if status.state == "finished" else None


def with_recorded_labels(folder: Path, resolved: Resolved) -> Resolved:
    """A run keeps the labels it was first asked under: resnet32 may be a motivated model here and a base there."""
    if not (folder / records.CONFIG).exists():
        return resolved
    stored = RunConfig.model_validate(files.read_json(folder / records.CONFIG)["config"])
    labels = {
        "schedule": stored.schedule,
        "pair.base": stored.pair.base,
        "pair.motivated": stored.pair.motivated,
        "data.name": stored.data.name,
    }
    return resolved.updated(labels, "recorded")


def warn_of_other_environment(folder: Path, device: torch.device, progress: Progress) -> None:
    """A resume is bit for bit only with the same torch and thread count: say so when they changed."""
    path = folder / records.ENVIRONMENT
    if not path.exists():
        return
    then, now = files.read_json(path), describe_environment(device)
    changed = [key for key in ("torch", "threads", "cpu", "device") if then.get(key) != now.get(key)]
    if changed:
        words = ", ".join(f"{key} {then.get(key)} -> {now.get(key)}" for key in changed)
        progress.note(f"resuming with another environment ({words}): the numbers may differ in their last digits")
