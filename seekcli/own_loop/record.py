"""`seekcli.Record`: the run folder of somebody's own loop, which `seek compare`, `report` and `list runs` read."""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.documents import SCHEMA_VERSION
from seekcli.errors import BadInput, unknown
from seekcli.method.condition import ConditionSettings, expected_share
from seekcli.method.cost_measures import training_flops_per_image
from seekcli.method.roles import BASE, MOTIVATED, ROLES
from seekcli.own_loop.own_config import own_config, own_config_document
from seekcli.own_loop.saved import tensors_of
from seekcli.runs import records
from seekcli.runs.environment import describe_environment
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import Lease
from seekcli.runs.records import EPOCH_SCHEMA, RunStatus
from seekcli.runs.resuming import recorded_until
from seekcli.runs.rows import peak_memory_bytes, run_columns
from seekcli.runs.step_log import StepLog
from seekcli.runs.writer import RunWriter
from seekcli.trackers.catalog import require_trackers
from seekcli.trackers.feed import Trackers

if TYPE_CHECKING:
    from seekcli.own_loop.loop import OwnLoop

# The metrics that the table of epochs has a column for.
METRICS = (
    *("test_loss", "test_accuracy_percent", "test_top5_accuracy_percent", "test_balanced_accuracy_percent"),
    *("validation_loss", "validation_accuracy_percent", "validation_balanced_accuracy_percent"),
    *("test_perplexity", "test_bits_per_byte", "test_r2"),
    *("validation_perplexity", "validation_bits_per_byte", "validation_r2"),
)


class Record:
    """A run of somebody's own loop, in `results`/runs/<run id>/ as every other run.

    `data` is a name for what it is trained on and `names` are those of the two models: runs are compared where these,
    the batch size (examples per update) and the epochs are equal, seed by seed. `forward_macs` are the multiply-adds of
    one example through each model, from which costs are computed (examples/own_loop.py counts them). `settings` says
    more of the run under the names of `seek list settings`, such as {"runtime.track": ["tensorboard"]}.
    `recalibrate_batches` is how many batches `recalibrate` gives. `loss_unit` is what losses are in: runs of different
    units are not compared. `metrics` are metrics of your own beside those that the table knows, each "higher" or
    "lower", whichever is better: {"mae": "lower"} is recorded as `test_mae` and `validation_mae`. `fresh` sets a
    finished run of the same settings aside.
    """

    def __init__(
        self,
        results: str | Path,
        *,
        data: str,
        names: tuple[str, str],
        epochs: int,
        batch_size: int,
        forward_macs: tuple[float, float],
        seed: int = 0,
        precision: str = "fp32",
        recalibrate_batches: int = 10,
        settings: Mapping[str, Any] | None = None,
        loss_unit: str = "nats",
        metrics: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        if len(names) != 2 or names[0] == names[1]:
            raise BadInput(f"names: two different ones, of the base and of the motivated model, not {names!r}")
        self.results, self.data, self.names = Path(results), data, tuple(names)
        self.epochs, self.batch_size, self.seed, self.precision = epochs, batch_size, seed, precision
        if len(forward_macs) != 2 or not all(0 < count < float("inf") for count in forward_macs):
            raise BadInput(f"forward_macs: two numbers above 0, not {forward_macs!r}")
        self.forward_macs = {role: float(count) for role, count in zip(ROLES, forward_macs, strict=True)}
        self.loss_unit, self.own_metrics = loss_unit, dict(metrics or {})
        check_own_metrics(self.own_metrics)
        self.recalibrate_batches, self.settings, self.fresh = recalibrate_batches, dict(settings or {}), fresh
        self.rows: list[dict[str, Any]] = []
        self.step_log = StepLog()

    @property
    def folder(self) -> Path:
        """The run folder; it is there once the loop has begun."""
        return self.results / "runs" / self.run_id

    def begin(self, loop: OwnLoop) -> None:
        """Raises BadInput, before anything is written, for settings that are refused and for a run that is finished."""
        files.require_results_folder(self.results)
        self.resolved = own_config(self, loop)
        self.config = self.resolved.config
        require_trackers(self.config.runtime.track)
        self.run_id = run_id(self.config)
        self.columns = run_columns(self.config, self.run_id, loop.coverage)
        if self._is_finished():
            if not self.fresh:
                raise BadInput(f"{self.folder} is finished: Record(..., fresh=True) sets it aside and starts again")
            with Lease.acquire(self.folder) as old:
                old.follow(files.set_aside(self.folder, old.check))
        self.lease = Lease.acquire(self.folder)
        weakref.finalize(self, self.lease.release)
        device = next(next(iter(loop.models.values())).parameters()).device
        self.device = device
        self.writer = RunWriter(self._run, self.lease.check)
        self.writer.create(own_config_document(self, self.resolved, loop), describe_environment(device))
        self.trackers = Trackers(self.config, self.folder, self.writer.tracker_key, self.lease.check, warnings.warn)
        self._clock, self._counted = time.perf_counter(), (0, 0)
        self._write_status(loop, "running")

    def _is_finished(self) -> bool:
        return self._run.status_path.exists() and self._run.status().state == "finished"

    @property
    def _run(self) -> RunFolder:
        return RunFolder(self.folder, self.run_id)

    def require_known(self, metrics: Iterable[str]) -> None:
        """Raise BadInput, with the nearest name, for a metric that the table of epochs has no column for."""
        known = [*METRICS, *(f"{split}_{name}" for name in self.own_metrics for split in ("test", "validation"))]
        for name in metrics:
            if name not in known:
                more = "" if self.own_metrics else "; Record(metrics=...) names others"
                raise BadInput(f"{unknown('metric that is recorded:', name, known)}{more}")

    def epoch_done(self, loop: OwnLoop) -> None:
        """The rows of the epoch that has just ended; the models too, after the last one."""
        if loop.epoch > self.epochs:
            raise BadInput(f"the record was begun for epochs={self.epochs}, and this is epoch {loop.epoch}")
        self.rows += self._rows(loop)
        self.step_log.add(self._steps(loop))
        self.writer.write_epochs(self.rows)
        self.writer.write_steps(self.step_log)
        self._clock, self._counted = time.perf_counter(), (loop.switches, loop.copied_bytes)
        if loop.epoch < self.epochs:
            self._write_status(loop, "running")
            self.trackers.send(self.rows, self.step_log)
            return
        models = loop.models_to_keep().items()
        digests = {role: self.writer.write_model(role, tensors_of(model)) for role, model in models}
        self._write_status(loop, "finished", digests)
        self.trackers.send(self.rows, self.step_log)
        self.trackers.end("finished")
        self.lease.release()

    def failed(self, loop: OwnLoop, message: str) -> None:
        self._write_status(loop, "failed", message=message)
        self.trackers.end("failed")
        self.lease.release()

    def _rows(self, loop: OwnLoop) -> list[dict[str, Any]]:
        seconds = time.perf_counter() - self._clock
        steps = {role: loop.roles.count(role) for role in ROLES}
        images = {role: count * self.batch_size for role, count in steps.items()}
        flops = (training_flops_per_image(self.forward_macs[role]) * images[role] for role in ROLES)
        shared = {
            **dict.fromkeys(EPOCH_SCHEMA.names),
            **self.columns,
            "epoch": loop.epoch,
            "base_steps": steps[BASE],
            "motivated_steps": steps[MOTIVATED],
            "switches": loop.switches - self._counted[0],
            "copied_bytes": loop.copied_bytes - self._counted[1],
            "learning_rate": loop.learning_rates[-1],
            "base_images": images[BASE],
            "motivated_images": images[MOTIVATED],
            "train_flops": sum(flops),
            "evaluation_flops": 0.0,
            "condition_flops": 0.0,
            "epoch_seconds": seconds,
            "images_per_second": sum(images.values()) / seconds,
            "peak_memory_bytes": peak_memory_bytes(self.device),
        }
        return [
            {
                **shared,
                "model": name,
                "role": role,
                "train_loss": mean_of([loss for loss, by in zip(loop.losses, loop.roles, strict=True) if by == role]),
                "forward_macs_per_image": self.forward_macs[role],
                **loop.metrics[role],
                **self._statistics(loop, role),
            }
            for role, name in self._names(loop).items()
        ]

    def _names(self, loop: OwnLoop) -> dict[str, str]:
        return {role: name for role, name in zip(ROLES, self.names, strict=True) if role in loop.models}

    def _statistics(self, loop: OwnLoop, role: str) -> dict[str, float | None]:
        """Which statistics of BatchNorm the accuracy was measured with."""
        kind = "as_trained" if loop.recalibrate is None else "recalibrated"
        return {f"test_accuracy_{kind}_percent": loop.metrics[role].get("test_accuracy_percent")}

    def _steps(self, loop: OwnLoop) -> dict[str, list[Any]]:
        first = loop.steps_done - loop.batch + 1
        return {
            "run_id": [self.run_id] * loop.batch,
            "epoch": [loop.epoch] * loop.batch,
            "step": list(range(first, first + loop.batch)),
            "role": loop.roles,
            "loss": loop.losses,
            "learning_rate": loop.learning_rates,
        }

    def _write_status(
        self,
        loop: OwnLoop,
        state: records.RunState,
        digests: dict[str, str] | None = None,
        message: str | None = None,
    ) -> None:
        done = len(self.rows) // len(loop.models)
        status = RunStatus(
            schema_version=SCHEMA_VERSION,
            run_id=self.run_id,
            state=state,
            message=message,
            epochs_done=done,
            epochs=self.epochs,
            steps_done=loop.steps_done,
            steps_saved=0,
            final=[row for row in self.rows if row["epoch"] == done],
            totals=records.totals_of(self.rows),
            expected_share=self._expected_share(),
            steps_per_epoch=loop.steps_per_epoch or loop.batch,
            models=self._names(loop),
            weights_sha256=digests or {},
            tables_sha256=self.writer.digests_of_tables() if state == "finished" else {},
        )
        self.writer.write_status(status)

    def _expected_share(self) -> float | None:
        if self.config.classic or self.config.motivation.condition not in ("loss", "inverse", "gradient-norm"):
            return None
        return expected_share(self.config.motivation.condition, ConditionSettings(k=self.config.motivation.k))

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "counted": list(self._counted)}

    def load_state_dict(self, state: Mapping[str, Any], loop: OwnLoop) -> None:
        """Take up the rows of the epochs that were done. Raises BadInput where it is another run, or they are gone."""
        if state["run_id"] != self.run_id:
            raise BadInput(f"the state is of the run {state['run_id']}, and the record of {self.run_id}")
        if loop.epoch:
            self.rows, self.step_log = recorded_until(self._run, loop.epoch)
        if len(self.rows) != len(loop.models) * loop.epoch:
            raise BadInput(f"{self.folder} lacks rows of the {loop.epoch} epochs that were done")
        switches, copied_bytes = state["counted"]
        self._counted = (switches, copied_bytes)


def mean_of(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def check_own_metrics(metrics: Mapping[str, str]) -> None:
    """Raise BadInput for a name that is no word, or that the table of epochs has, and for a direction that is none."""
    for name, better in metrics.items():
        column = f"test_{name}"
        if not isinstance(name, str) or not records.OWN_COLUMN.fullmatch(column) or column in records.EPOCH_NAMES:
            raise BadInput(f"metrics: {name!r} is to be a word such as mae, that no column of the table has")
        if better not in ("higher", "lower"):
            raise BadInput(f"metrics: {name} is better higher or lower, not {better!r}")
