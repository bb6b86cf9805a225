"""One run, from its config to its folder: resumes what is unfinished, leaves what is done, loses nothing finished."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from seekcli import files, records
from seekcli.config import SCHEMA_VERSION, Resolved, RunConfig, run_id
from seekcli.data import sources
from seekcli.data.holdout import hold_out
from seekcli.errors import BadInput, RunFailed, SeekError, Stopped
from seekcli.flops import forward_cost
from seekcli.lease import Lease
from seekcli.models.transplant import SourceWeights
from seekcli.records import RunStatus
from seekcli.training.checkpoint import checkpoints, resume_from, save_checkpoint
from seekcli.training.conditions import share_by_chance
from seekcli.training.environment import describe_environment
from seekcli.training.evaluation import Evaluation, Evaluations
from seekcli.training.folder import (
    config_document,
    finished_status,
    require_nothing_recorded,
    run_folder,
    warn_of_other_environment,
    with_recorded_labels,
)
from seekcli.training.plan import partial_map
from seekcli.training.progress import Progress, RunFacts
from seekcli.training.rows import class_rows, epoch_rows, run_columns, step_columns
from seekcli.training.trainer import Trainer
from seekcli.training.transfer import start_weights

StopReason = Callable[[], str | None]


def train(
    resolved: Resolved,
    results: Path,
    progress: Progress | None = None,
    *,
    fresh: bool = False,
    stop_requested: StopReason = lambda: None,
) -> RunStatus:
    """Train the run to its end, from wherever it stands; a finished run is returned as it is.

    Raises BadInput (nothing written), RunFailed (the last checkpoint is kept) or Stopped (saved, can be resumed).
    """
    progress = progress or Progress()
    try:
        return train_or_return(resolved, results, progress, fresh, stop_requested)
    finally:
        progress.ended()


def train_or_return(
    resolved: Resolved, results: Path, progress: Progress, fresh: bool, stop_requested: StopReason
) -> RunStatus:
    files.require_results_folder(results)
    folder = run_folder(results, resolved.config)
    files.require_writable_folders(folder.parent, folder, folder / records.CHECKPOINTS)
    source = None if not fresh and has_begun(folder, resolved.config) else start_weights(resolved.config, results)
    if folder.exists() and fresh:
        with Lease.acquire(folder):
            progress.note(f"the old run was moved to {files.set_aside(folder)}")
    if (status := finished_status(folder, resolved.config)) is not None:
        return status
    resolved = with_recorded_labels(folder, resolved)
    config = resolved.config
    if config.runtime.threads:
        torch.set_num_threads(config.runtime.threads)
    if (warning := partial_map(config)) is not None:
        progress.note(warning)
    dataset = hold_out(sources.load(config.data, progress.decoding), config.data.holdout_images, config.seed)
    trainer = build_trainer(config, dataset, source)
    files.require_free_bytes(results, needed_bytes(trainer, folder))
    if source is not None:
        progress.note(f"starting from {source.label}: {' and '.join(source.models)}, with a new head")
    with Lease.acquire(folder) as lease:
        # Somebody else may have finished the run between the first look and the lease.
        if (status := finished_status(folder, config)) is not None:
            return status
        if config.transfer.sha256 and source is None and not has_begun(folder, config):
            raise RunFailed(f"{folder} was set aside by another process; the same command starts it anew")
        return Run(folder, resolved, trainer, dataset, progress, stop_requested, lease).to_the_end()


def has_begun(folder: Path, config: RunConfig) -> bool:
    """Whether the run needs no start any more: it has a checkpoint to go on from, or is done."""
    return bool(checkpoints(folder / records.CHECKPOINTS)) or finished_status(folder, config) is not None


def build_trainer(config: RunConfig, dataset: sources.Dataset, source: SourceWeights | None) -> Trainer:
    try:
        return Trainer(config, dataset, torch.device(config.runtime.device), source)
    except torch.OutOfMemoryError as error:
        raise RunFailed(f"out of memory before the first step: {error}") from None


def forward_macs(trainer: Trainer, channels: int, image_size: int) -> dict[str, float]:
    """MACs of one image's forward pass, by role."""
    shape = (channels, image_size, image_size)
    models = trainer.models.items()
    return {role: forward_cost(model, trainer.config.model_name(role), shape).per_image for role, model in models}


def skipped_updates(trainer: Trainer) -> dict[str, int]:
    """fp16 alone skips updates and goes on: how many, for the status of such a run."""
    return {} if trainer.scaler is None else {"skipped_updates": trainer.skipped_updates}


def needed_bytes(trainer: Trainer, folder: Path) -> int:
    """Room for three checkpoints (two kept, one being written) and the model files, less those that are there."""
    tensors, _ = trainer.state()
    there = len(checkpoints(folder / records.CHECKPOINTS))
    return (4 - min(there, 2)) * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) + 2**20


class Run:
    """A trainer and the folder that it is recorded in."""

    def __init__(
        self,
        folder: Path,
        resolved: Resolved,
        trainer: Trainer,
        dataset: sources.Dataset,
        progress: Progress,
        stop_requested: StopReason,
        lease: Lease,
    ) -> None:
        self.folder, self.resolved, self.trainer, self.dataset = folder, resolved, trainer, dataset
        self.config = resolved.config
        self.progress, self.stop_requested, self.lease = progress, stop_requested, lease
        self.rows: list[dict[str, Any]] = []
        self.step_log: dict[str, list[Any]] = {name: [] for name in records.STEP_SCHEMA.names}
        facts = dataset.facts
        self.forward_macs = forward_macs(trainer, facts.channels, facts.image_size)
        train_size = self.config.data.train_size
        self.train_macs = forward_macs(trainer, facts.channels, train_size) if train_size else self.forward_macs
        self.columns = run_columns(self.config, run_id(self.config), trainer.coverage)
        self.saved_at = time.monotonic()

    def to_the_end(self) -> RunStatus:
        """Train what is left and finish the folder; a failure is recorded there and raised."""
        try:
            self.begin()
            while not self.trainer.finished:
                self.trainer.train_epoch(self.after_step)
                self.record_epoch()
            return self.record_state("finished", None, self.write_models())
        except torch.OutOfMemoryError as error:
            raise self.failed(f"out of memory: {error}") from None
        except RunFailed as error:
            raise self.failed(str(error)) from None
        finally:
            self.trainer.batches.close()

    def begin(self) -> None:
        """Write what is known before the first step, or take up the newest good checkpoint."""
        if not (self.folder / records.CONFIG).exists():
            self.lease.check()
            files.write_json(self.folder / records.CONFIG, config_document(self.resolved, self.dataset))
            files.write_json(self.folder / records.ENVIRONMENT, describe_environment(self.trainer.device))
            self.record_state("running", None)
        else:
            self.resume()
        trainer = self.trainer
        expected = self.expected_share()
        self.progress.started(
            RunFacts(
                run_id(self.config), str(self.folder), self.config.schedule,
                {role: self.config.model_name(role) for role in trainer.models}, trainer.length.epochs,
                trainer.length.steps, trainer.steps_per_epoch, trainer.steps_done, expected, trainer.coverage,
                self.dataset.summary,
            )
        )  # fmt: skip

    def resume(self) -> None:
        """Take up the newest good checkpoint and drop the rows that were recorded after it."""
        warn_of_other_environment(self.folder, self.trainer.device, self.progress)
        if not resume_from(self.folder / records.CHECKPOINTS, self.trainer.load_state, self.progress.note):
            require_nothing_recorded(self.folder)
            return
        done = self.trainer.epoch
        if done:
            self.rows = [row for row in records.read_epochs(self.folder / records.EPOCHS) if row["epoch"] <= done]
            steps = records.read_steps(self.folder / records.STEPS)
            kept = sum(epoch <= done for epoch in steps["epoch"])
            self.step_log = {name: list(column[:kept]) for name, column in steps.items()}
        rows, steps_done = done * len(self.trainer.models), self.trainer.length.steps_before(done)
        if len(self.rows) != rows or len(set(self.step_log["step"])) != steps_done:
            raise BadInput(
                f"{self.folder / records.EPOCHS} or steps.parquet lacks epochs that the checkpoint has; use --fresh"
            )

    def after_step(self) -> None:
        trainer, log = self.trainer, self.trainer.log
        self.progress.stepped(trainer.epoch + 1, trainer.steps_done, log.roles[-1], log.losses[-1], log.images[-1])
        if reason := self.stop_requested():
            self.save()
            self.record_state("stopped", reason)
            raise Stopped(f"{reason}: saved at step {trainer.steps_done}; the same command again goes on from here")
        if time.monotonic() - self.saved_at >= 60 * self.config.runtime.checkpoint_minutes:
            self.save()

    def record_epoch(self) -> None:
        """Evaluate, write the rows, then the checkpoint: a crash in between repeats the epoch, to the same rows."""
        trainer = self.trainer
        clock = time.perf_counter()
        epoch = trainer.epoch + 1
        last = epoch == trainer.length.epochs
        due = last or epoch % self.config.train.eval_every == 0
        evaluations: dict[str, Evaluations] = trainer.evaluate(self.progress.evaluating) if due else {}
        others: dict[str, Evaluation] = {}
        if last or (due and self.config.schedule == "alternating"):
            others = trainer.evaluate_other_statistics(self.progress.evaluating)
        seconds = trainer.log.seconds + time.perf_counter() - clock
        rows = epoch_rows(trainer, self.columns, self.forward_macs, self.train_macs, evaluations, others, seconds)
        self.rows += rows
        for name, column in step_columns(trainer, run_id(self.config)).items():
            self.step_log[name] += column
        trainer.start_next_epoch()
        self.lease.check()
        records.write_epochs(self.folder / records.EPOCHS, self.rows)
        records.write_steps(self.folder / records.STEPS, self.step_log)
        if evaluations:
            classes = class_rows(evaluations, run_id(self.config), epoch, self.dataset.class_names)
            records.write_classes(self.folder / records.CLASSES, classes)
        self.save()
        self.record_state("running", None)
        self.progress.epoch_done(rows)

    def save(self) -> None:
        self.lease.check()
        save_checkpoint(self.folder / records.CHECKPOINTS, self.trainer.steps_done, *self.trainer.state())
        self.saved_at = time.monotonic()

    def write_models(self) -> dict[str, str]:
        """The final weights and buffers, contiguous, one file per role; the motivated model holds the base.

        Returns the sha256 of each file by role.
        """
        self.lease.check()
        digests = {}
        for role, model in self.trainer.models_to_keep().items():
            data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
            files.write_bytes(self.folder / f"{role}.safetensors", data)
            digests[role] = hashlib.sha256(data).hexdigest()
        return digests

    def record_state(
        self, state: records.State, message: str | None, weights_sha256: dict[str, str] | None = None
    ) -> RunStatus:
        trainer = self.trainer
        done = trainer.epoch
        status = RunStatus(
            schema_version=SCHEMA_VERSION,
            run_id=run_id(self.config),
            state=state,
            message=message,
            epochs_done=done,
            epochs=trainer.length.epochs,
            steps_done=trainer.steps_done,
            final=[row for row in self.rows if row["epoch"] == done],
            totals=records.totals_of(self.rows) | skipped_updates(trainer),
            expected_share=self.expected_share(),
            steps_per_epoch=trainer.steps_per_epoch,
            models={role: self.config.model_name(role) for role in trainer.models},
            weights_sha256=weights_sha256 or {},
            folds=self.config.data.folds,
            fold=self.config.data.fold,
        )
        self.lease.check()
        records.write_status(self.folder, status)
        return status

    def failed(self, message: str) -> RunFailed:
        """The failure to raise, recorded where the disk and the lease still allow it."""
        with contextlib.suppress(SeekError):
            self.record_state("failed", message)
        return RunFailed(message)

    def expected_share(self) -> float | None:
        return None if self.config.classic else share_by_chance(self.config, self.trainer.length)
