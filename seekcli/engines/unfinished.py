"""The models of a run that is not finished: those that it would keep if it ended where its last checkpoint is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from seekcli.config.schema import RunConfig
from seekcli.engines.start import Beginning, load_and_build
from seekcli.errors import BadInput
from seekcli.export.checkpoint_run import CheckpointRun
from seekcli.export.finished_run import FinishedRun
from seekcli.resolve.device import check_device
from seekcli.runs.rows import run_columns
from seekcli.train.progress import Progress
from seekcli.train.trainer import Trainer


def take_checkpoint(run: FinishedRun, data_dir: str | None, progress: Progress) -> CheckpointRun:
    """The models of the newest good checkpoint, with statistics and accuracy as at the end of a run. Writes nothing.

    `data_dir` is where the run's data is now; it is needed for both. Another process may be training the run. Raises
    BadInput where there is no checkpoint, or the data is not there.
    """
    require_checkpoint(run)
    config = usable_config(run.config, data_dir)
    if config.runtime.device == "cpu" and (threads := run.environment.get("threads")):
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
    _, trainer = load_and_build(config, progress, Beginning())
    try:
        path = load_newest(run, trainer, progress)
        models = trainer.models_to_keep()
        rows = measured_rows(run.config, trainer)
    finally:
        trainer.batches.close()
    done = {"final": rows, "epochs_done": trainer.epoch, "steps_done": trainer.steps_done}
    tensors = {
        role: {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        for role, model in models.items()
    }
    return CheckpointRun(
        run.folder, run.config, run.facts, run.status.model_copy(update=done), run.environment,
        checkpoint=path, planned_steps=trainer.length.steps, tensors=tensors,
    )  # fmt: skip


def require_checkpoint(run: FinishedRun) -> None:
    if run.folder.checkpoints():
        return
    raise BadInput(
        f"run {run.status.run_id} is not finished and has no checkpoint yet: the same `seek train` command goes on "
        f"with it (--checkpoint-minutes says how often it saves within an epoch)"
    )


def usable_config(config: RunConfig, data_dir: str | None) -> RunConfig:
    """The run's own config where its data is now, on its device or, where this machine has none such, on the CPU."""
    try:
        check_device(config.runtime.device)
        device = config.runtime.device
    except BadInput:
        device = "cpu"
    data = config.data if data_dir is None else config.data.model_copy(update={"dir": data_dir})
    runtime = config.runtime.model_copy(update={"device": device})
    return config.model_copy(update={"data": data, "runtime": runtime})


def load_newest(run: FinishedRun, trainer: Trainer, progress: Progress) -> Path:
    """Raises BadInput, naming the newest, where none can be loaded; nothing is set aside."""
    first: BadInput | None = None
    for path in reversed(run.folder.checkpoints()):
        try:
            run.folder.load_checkpoint(path, trainer.load_state)
        except BadInput as error:
            first = first or error
            continue
        if first is not None:
            progress.note(f"{first}; {path.name} is taken")
        return path
    raise first or BadInput(f"the checkpoints of {run.folder.path} went away meanwhile: give the command again")


def measured_rows(config: RunConfig, trainer: Trainer) -> list[dict[str, Any]]:
    """What a card reads of the last rows of a run, measured now."""
    evaluations = trainer.evaluate()
    others = trainer.evaluate_other_statistics() if trainer.keeps_recalibrated else {}
    columns = run_columns(config, "", trainer.coverage)
    rows = []
    for role, found in evaluations.items():
        test, as_trained = found.get("test"), others.get(role)
        rows.append(
            columns
            | {
                "role": role,
                "model": config.model_name(role),
                "epoch": trainer.epoch,
                "test_accuracy_percent": test and test.columns().get("accuracy_percent"),
                "test_loss": test and test.loss,
                "test_perplexity": test and test.columns().get("perplexity"),
                "test_bits_per_byte": test and test.columns().get("bits_per_byte"),
                "test_accuracy_as_trained_percent": as_trained and as_trained.columns().get("accuracy_percent"),
            }
        )
    return rows
