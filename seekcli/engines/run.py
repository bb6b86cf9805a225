"""One run, from its config to its folder: resumes what is unfinished, leaves what is done, loses nothing finished."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.data.sets import sources
from seekcli.documents import SCHEMA_VERSION
from seekcli.engines import leading, start
from seekcli.errors import BadInput, DamagedRun, LostProcess, RunFailed, SeekError, Stopped
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.expected_cost import forward_macs
from seekcli.resolve.short_epochs import require_several_steps
from seekcli.runs import records
from seekcli.runs.environment import describe_environment
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import Lease, clear_dead_lease
from seekcli.runs.records import RunStatus
from seekcli.runs.resuming import (
    recorded_until,
    require_nothing_saved,
    warn_of_other_environment,
    with_recorded_labels,
)
from seekcli.runs.rows import class_rows, epoch_rows, run_columns, step_columns
from seekcli.runs.step_log import StepLog
from seekcli.runs.writer import RunWriter, config_document
from seekcli.trackers.catalog import require_trackers
from seekcli.trackers.feed import Trackers
from seekcli.train.progress import Progress, RunFacts
from seekcli.train.tasks.task import Measured, Measurements
from seekcli.train.trainer import Trainer

StopReason = Callable[[], str | None]


def train_run(
    resolved: Resolved,
    results: Path,
    progress: Progress | None = None,
    *,
    fresh: bool = False,
    stop_requested: StopReason = lambda: None,
    ranks: Ranks = ALONE,
) -> RunStatus:
    """Train the run to its end, from wherever it stands; a finished run is returned as it is.

    With several `ranks` this is the first of them: the others are in `following.follow`.
    Raises BadInput (nothing written), RunFailed (the last checkpoint is kept) or Stopped (saved, can be resumed).
    """
    progress = progress or Progress()
    require_trackers(resolved.config.runtime.track)
    leading.require_processes(resolved.config, ranks)
    try:
        return train_or_return(resolved, results, progress, fresh, stop_requested, ranks)
    finally:
        progress.ended()


def train_or_return(
    resolved: Resolved, results: Path, progress: Progress, fresh: bool, stop_requested: StopReason, ranks: Ranks
) -> RunStatus:
    files.require_results_folder(results)
    folder = RunFolder.of(results, resolved.config)
    replaced = [folder.path.parent / files.REPLACED] if fresh else []
    files.require_writable_folders(folder.path.parent, folder.path, folder.checkpoints_path, *replaced)
    if not fresh:
        if (status := folder.finished_status()) is not None:
            clear_dead_lease(folder.path)
            return status
        resolved = with_recorded_labels(folder, resolved)
    config = resolved.config
    begun = not fresh and start.has_begun(folder)
    if not begun:
        require_several_steps(config)
    beginning = start.Beginning() if begun else start.beginning_of(config, results)
    if config.runtime.threads:
        torch.set_num_threads(config.runtime.threads)
    dataset, trainer = start.load_and_build(config, progress, beginning, folder if begun else None, ranks)
    leading.others_build(ranks, config, dataset)
    files.require_free_bytes(results, start.needed_bytes(trainer, None if fresh else folder))
    run = RecordedTraining(folder, resolved, trainer, dataset, progress, stop_requested)
    start.say_beginning(config, beginning, progress)
    if fresh and folder.path.exists():  # the last thing before the start: a start that is refused leaves the old run
        with Lease.acquire(folder.path) as old:
            old.follow(files.set_aside(folder.path, old.check))
        progress.note(f"the old run was moved to {old.run_dir}")
    with Lease.acquire(folder.path) as lease:
        # Somebody else may have finished the run between the first look and the lease.
        if (status := folder.finished_status()) is not None:
            return status
        if begun and start.trained_before(config) and not start.has_begun(folder):
            raise RunFailed(f"{folder.path} was set aside by another process; the same command starts it anew")
        return run.to_the_end(lease)


def skipped_updates(trainer: Trainer) -> dict[str, int]:
    """fp16 alone skips updates and goes on: how many, for the status of such a run."""
    return {} if trainer.scaler is None else {"skipped_updates": trainer.skipped_updates}


class RecordedTraining:
    """A trainer and the folder that it is recorded in."""

    def __init__(
        self,
        folder: RunFolder,
        resolved: Resolved,
        trainer: Trainer,
        dataset: sources.Dataset,
        progress: Progress,
        stop_requested: StopReason,
    ) -> None:
        self.folder, self.resolved, self.trainer, self.dataset = folder, resolved, trainer, dataset
        self.config = resolved.config
        self.progress, self.stop_requested = progress, stop_requested
        self.begun, self.steps_saved = False, 0
        self.state: records.RunState = "failed"
        self.rows: list[dict[str, Any]] = []
        self.step_log = StepLog()
        self.forward_macs, self.train_macs = forward_macs(self.config, trainer.models)
        self.run_id = run_id(self.config)
        self.columns = run_columns(self.config, self.run_id, trainer.coverage)
        self.saved_at = time.monotonic()

    def to_the_end(self, lease: Lease) -> RunStatus:
        """Train what is left and finish the folder; a failure is recorded there and raised."""
        self.lease, self.writer = lease, RunWriter(self.folder, lease.check)
        self.trackers = Trackers(
            self.config, self.folder.path, self.writer.tracker_key, lease.check, self.progress.note
        )
        try:
            self.begin()
            leading.others_take_state(self.trainer)
            while not self.trainer.finished:
                leading.train_epoch(self.trainer, self.after_step)
                self.record_epoch()
            models = self.trainer.models_to_keep()  # the motivated one holds the base
            digests = {role: self.writer.write_model(role, model.state_dict()) for role, model in models.items()}
            self.writer.keep_last_checkpoint()
            return self.record_state("finished", None, digests)
        except torch.OutOfMemoryError as error:
            raise self.failed(f"out of memory: {error}") from None
        except RunFailed as error:
            self.failed(str(error))
            raise
        except LostProcess as error:
            self.record_state("stopped", str(error))
            raise
        except SeekError as error:
            if isinstance(error, BadInput):
                self.lease.check()  # what an heir has done to the folder meanwhile is no damage
            raise
        except Exception as error:  # of a data set or condition of the user's own, or a mistake of ours
            self.failed(f"{type(error).__name__}: {error}")
            raise
        finally:
            self.trackers.end(self.state)
            self.trainer.batches.close()

    def begin(self) -> None:
        """Write what is known before the first step, or take up the newest good checkpoint."""
        trainer = self.trainer
        environment = describe_environment(trainer.device) | trainer.ranks.facts
        if not self.folder.has_config:
            self.writer.create(config_document(self.resolved, self.dataset, trainer.task), environment)
        elif not self.resume(environment):
            self.writer.write_environment(environment)
        self.begun = True
        self.record_state("running", None)
        self.progress.started(
            RunFacts(
                self.run_id, str(self.folder.path), self.config.schedule,
                {role: self.config.model_name(role) for role in trainer.models}, trainer.length.epochs,
                trainer.length.steps, trainer.steps_per_epoch, trainer.steps_done, self.expected_share(),
                trainer.coverage, self.dataset.summary, trainer.task.name, self.dataset.examples,
            )
        )  # fmt: skip
        start.say_few_steps(self.config, trainer.steps_done, self.progress)
        self.trackers.send(self.rows, self.step_log)

    def resume(self, environment: Mapping[str, Any]) -> bool:
        """Take up the newest good checkpoint and drop the rows that were recorded after it. False: there never was one.

        Raises DamagedRun where checkpoints or rows are gone, damaged or of another run.
        """
        note = self.progress.note
        if not self.writer.resume(self.trainer.load_state, note):
            require_nothing_saved(self.folder, self.config)
            return False
        if not warn_of_other_environment(self.folder, environment, note):
            self.writer.write_environment(environment, from_step=self.trainer.steps_done)
        self.steps_saved = self.trainer.steps_done
        done = self.trainer.epoch
        if done:
            self.rows, self.step_log = recorded_until(self.folder, done, self.trainer.finished)
        rows, steps_done = done * len(self.trainer.models), self.trainer.length.steps_before(done)
        if len(self.rows) != rows or self.step_log.steps() != steps_done:
            raise DamagedRun(f"{self.folder.epochs_path} or steps.parquet lacks saved epochs; use --fresh")
        return True

    def after_step(self) -> None:
        trainer, log = self.trainer, self.trainer.log
        images = log.images_of_last_batch()
        self.progress.stepped(trainer.epoch + 1, trainer.steps_done, log.roles[-1], log.losses[-1], images)
        due = time.monotonic() - self.saved_at >= 60 * self.config.runtime.checkpoint_minutes
        reason, save = leading.agreed(trainer.ranks, self.stop_requested(), due)
        if reason is not None or save:
            self.save()
        if reason is not None:
            self.record_state("stopped", reason)
            trainer.ranks.decided(True)  # the others wait: when one leaves, torchrun gives the rest 30 s
            raise Stopped(f"{reason}: saved at step {trainer.steps_done}; the same command again goes on from here")

    def record_epoch(self) -> None:
        """Evaluate, write the rows, then the checkpoint: a crash in between repeats the epoch, to the same rows."""
        trainer = self.trainer
        clock = time.perf_counter()
        epoch = trainer.epoch + 1
        last = epoch == trainer.length.epochs
        due = last or epoch % self.config.train.eval_every == 0
        evaluations: dict[str, Measurements] = trainer.evaluate(self.progress.evaluating) if due else {}
        others: dict[str, Measured] = {}
        if last or (due and self.config.schedule == "alternating"):
            others = trainer.evaluate_other_statistics(self.progress.evaluating)
        seconds = trainer.log.seconds + time.perf_counter() - clock
        rows = epoch_rows(
            self.config, trainer, self.columns, self.forward_macs, self.train_macs, evaluations, others, seconds
        )
        self.rows += rows
        self.step_log.add(step_columns(trainer, self.run_id))
        trainer.start_next_epoch()
        self.writer.write_epochs(self.rows)
        self.writer.write_steps(self.step_log)
        if evaluations:
            classes = class_rows(evaluations, self.run_id, epoch, self.dataset.class_names)
            if classes:
                self.writer.write_classes(classes)
        self.save()
        self.record_state("running", None)
        self.progress.epoch_done(rows)
        self.trackers.send(self.rows, self.step_log)

    def save(self) -> None:
        tensors, plain = self.trainer.state()
        self.writer.save_checkpoint(self.trainer.steps_done, tensors, plain)
        self.steps_saved = self.trainer.steps_done
        self.saved_at = time.monotonic()

    def record_state(
        self, state: records.RunState, message: str | None, weights_sha256: dict[str, str] | None = None
    ) -> RunStatus:
        self.state = state
        trainer = self.trainer
        done = trainer.epoch
        status = RunStatus(
            schema_version=SCHEMA_VERSION,
            run_id=self.run_id,
            state=state,
            message=message,
            epochs_done=done,
            epochs=trainer.length.epochs,
            steps_done=trainer.steps_done,
            steps_saved=self.steps_saved,
            final=[row for row in self.rows if row["epoch"] == done],
            totals=records.totals_of(self.rows) | skipped_updates(trainer),
            expected_share=self.expected_share(),
            steps_per_epoch=trainer.steps_per_epoch,
            models={role: self.config.model_name(role) for role in trainer.models},
            weights_sha256=weights_sha256 or {},
            tables_sha256=self.writer.digests_of_tables() if state == "finished" else {},
            folds=self.config.data.folds,
            fold=self.config.data.fold,
        )
        self.writer.write_status(status)
        return status

    def failed(self, message: str) -> RunFailed:
        """The failure to raise, recorded where the disk and the lease still allow it.

        A run that could not be taken up keeps the status that it had.
        """
        with contextlib.suppress(SeekError):
            if self.begun:
                self.record_state("failed", message)
        return RunFailed(message)

    def expected_share(self) -> float | None:
        return None if self.config.classic else expected_share_of(self.config, self.trainer.length)
