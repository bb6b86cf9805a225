"""`seek evaluate` of a run whose task is somebody's own: its models on the test split of its own data."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from seekcli.config.schema import RunConfig
    from seekcli.export.finished_run import FinishedRun

CHANGED = "its source changed since the run: the numbers are those of the code as it is now"


def run_of_own_task(what: str, results: Path) -> Path | None:
    """The run folder that `what` names, where its task is somebody's own; None for all else."""
    from seekcli.export.card_files import is_export
    from seekcli.runs.folder import RunFolder
    from seekcli.runs.named_runs import find_run

    if is_export(Path(what)):
        return None
    path = find_run(what, results)
    found = RunFolder(path).readable_config()
    return path if found is not None and found.config.train.task is not None else None


def refuse_export(config: RunConfig, path: Path) -> None:
    """Raise BadInput for a run whose models have no card: what their outputs mean, their task alone knows."""
    if config.train.task is not None:
        files = " and ".join(f"{role}.safetensors" for role in config.roles)
        raise BadInput(
            f"{path} is of a task of your own, {config.train.task}: seek export writes classifiers and language "
            f"models; the weights are {files} in that folder, `seek evaluate {path.name}` measures them"
        )


def evaluate_own_task(
    path: Path, role: str | None, data: str | None, device: str | None, *, of_images: bool
) -> Iterator[dict[str, Any]]:
    """An answer for each model of the run. Raises BadInput for what does not fit, `of_images` (--recalibrate,
    --predictions) among it, and RunFailed for a loss that is not finite."""
    from seekcli.export.finished_run import choose_roles, open_run
    from seekcli.resolve.device import check_device

    run = open_run(path)
    task = run.config.train.task
    if of_images:
        raise BadInput(f"--recalibrate and --predictions are for image classifiers, and {path} is of the task {task}")
    if data not in (None, run.config.data.name):
        raise BadInput(
            f"--data {data}: a run of a task of your own is evaluated on its own data, {run.config.data.name}"
        )
    name = device if device not in (None, "auto") else run.config.runtime.device
    check_device(name)
    for one in choose_roles(run, role):
        yield answer_of(run, one, name)


def answer_of(run: FinishedRun, role: str, device: str) -> dict[str, Any]:
    """The answer as data, beside what was recorded."""
    import torch

    from seekcli.data.sets.sources import load
    from seekcli.models.pairs import seeded_model
    from seekcli.resolve.build import build_batches, place, task_of
    from seekcli.resolve.own_models import built_for
    from seekcli.resolve.own_tasks import source_of
    from seekcli.train.step import AUTOCAST

    config, path = run.config, str(run.config.train.task)
    dataset = load(config.data)
    model = seeded_model(config.model_name(role), config.seed, *built_for(config))
    model.load_state_dict(run.weights(role))
    if device == "cpu" and (threads := run.environment.get("threads")):
        torch.set_num_threads(min(int(threads), os.cpu_count() or 1))
    model = place(model, torch.device(device), config.runtime.layout == "channels_last")
    batches = build_batches(config, dataset, torch.device(device))
    dtype = AUTOCAST[config.runtime.precision]
    found = task_of(config, dataset).evaluate(model, batches.evaluation("test"), dtype, lambda done: None)
    if not math.isfinite(found.loss):
        raise RunFailed(f"non-finite loss of {config.model_name(role)} on {dataset.facts.name}: it means nothing")
    columns = {f"test_{name}": value for name, value in found.columns().items()}
    row = run.final_row(role)
    recorded = {f"recorded_{name}": row.get(name) for name in columns}
    return {
        "task": path,
        "task_source": CHANGED if source_of(path) != config.train.task_source_sha256 else None,
        "source": str(run.weights_path(role)),
        "model": config.model_name(role),
        "role": role,
        "pair": row["pair"],
        "run_id": run.status.run_id,
        "epoch": row["epoch"],
        "data": dataset.facts.name,
        "examples": dataset.examples,
        "test_examples": found.images,
        **columns,
        **recorded,
        "equals_recorded": all(columns[name] == row.get(name) for name in columns),
        "device": device,
        "precision": config.runtime.precision,
        "weights_sha256": run.status.weights_sha256.get(role),
    }
