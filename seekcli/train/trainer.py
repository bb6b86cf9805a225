"""The loop: one path for every schedule. Steps, epoch ends, and all state that a checkpoint must hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from seekcli.data.keys import seed_draws
from seekcli.data.loading.run_batches import RunBatches
from seekcli.errors import AgreedFailure, RunFailed
from seekcli.method.alternating import TurnRule
from seekcli.method.observation import Observation
from seekcli.method.pair import Pair
from seekcli.models.added_blocks import Blocks
from seekcli.ranks import ALONE, Ranks
from seekcli.train.averaging import Averages
from seekcli.train.epoch_log import EpochLog
from seekcli.train.held_out import HeldOut
from seekcli.train.length import RunLength
from seekcli.train.recalibration import Recalibration
from seekcli.train.run_state import put_in_place, tensors_of_run
from seekcli.train.step import Readback, Step
from seekcli.train.tasks.task import Measured, Measurements, Task

# Under fp16: the scale halves with each, so that 50 are far below any scale that could still help.
MAX_SKIPPED_IN_A_ROW = 50
EvaluationWatcher = Callable[[str, str, int, int], None]  # role, split, images done, images in all


class Trainer:
    """Models, optimizers, batches and turn rule of one run, and where it stands.

    `epoch` counts finished epochs, `batch` the finished batches of the current one.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        steps: Mapping[str, Step],
        batches: RunBatches,
        task: Task,
        turn_rule: TurnRule,
        length: RunLength,
        learning_rate: Callable[[int], float],
        seed: int,
        pair: Pair | None = None,
        blocks: Blocks | None = None,
        needs: frozenset[str] = frozenset(),
        held_out: HeldOut | None = None,
        averages: Averages | None = None,
        recalibration: Recalibration | None = None,
        keeps_recalibrated: bool = False,
        autocast_dtype: torch.dtype | None = None,
        epochs_before: int = 0,
        ranks: Ranks = ALONE,
    ) -> None:
        """`models`, `optimizers` and `steps` by role; the models are on the device of the batches.

        Each of the `ranks` has a trainer, with equal weights after each step; that of the first decides and is kept.

        `turn_rule` says which of them takes a batch, and is shown what it `needs` of a step. `learning_rate` is by
        update, from 0. `keeps_recalibrated` says which models are kept where there is a `recalibration`; `blocks` are a
        pair's residual blocks. A run that goes on from another draws as for the epochs after the `epochs_before`.
        """
        self.models, self.optimizers, self.steps = dict(models), dict(optimizers), dict(steps)
        self.batches, self.task, self.turn_rule, self.length = batches, task, turn_rule, length
        self.pair, self.blocks, self.needs, self.held_out = pair, blocks, needs, held_out
        self.averages, self.recalibration, self.keeps_recalibrated = averages, recalibration, keeps_recalibrated
        self.device = batches.device
        # One scaler for both models: the scale that suits the loss survives a switch.
        self.scaler = next(iter(self.steps.values())).scaler
        self.epoch = 0
        self.batch = 0
        self.log = EpochLog()
        self.epochs_before = epochs_before
        self.skipped_updates = 0
        self._skipped_in_a_row = 0
        self.ranks = ranks
        self._learning_rate, self._seed, self._autocast_dtype = learning_rate, seed, autocast_dtype
        self._loss = Readback(self.device, 1)
        self._norm = Readback(self.device, 1)
        self._norm_pending = False

    @property
    def coverage(self) -> float | None:
        return self.pair.weights_map.coverage if self.pair else None

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    @property
    def steps_done(self) -> int:
        return self.length.steps_before(self.epoch) + self.batch

    @property
    def finished(self) -> bool:
        return self.epoch == self.length.epochs

    def train_epoch(self, after_step: Callable[[], None]) -> None:
        """The rest of the current epoch up to its forced switch; `after_step` may save, show progress, or raise."""
        for model in self.models.values():
            model.train()
        clock = time.perf_counter()
        drawn = self.epochs_before + self.epoch
        for images, labels in self.batches.epoch(drawn, self.batch, self.length.steps_in(self.epoch)):
            self._train_batch(images, labels)
            self.batch += 1
            self.log.seconds += time.perf_counter() - clock
            after_step()
            clock = time.perf_counter()
        self._check_gradient()
        self.turn_rule.end_epoch()

    def _train_batch(self, images: Tensor, labels: Tensor) -> None:
        """One update of each model whose turn it is, then the switch decision (Algorithm 1)."""
        for role in self.turn_rule.roles:
            loss = self._train_step(role, images, labels)
        self.turn_rule.observe(self._observation(role, loss))

    def _train_step(self, role: str, images: Tensor, labels: Tensor) -> float:
        """One update. Its loss, which travels to the host while backward and update run (DESIGN: Speed)."""
        rate = self._learning_rate(self.steps_done)
        # Dropout draws depend on (seed, epoch, step, process) alone, not on what was drawn before or by which model.
        key = "dropout", self._seed, self.epochs_before + self.epoch, self.batch
        seed_draws(self.device, *key if self.ranks.first else (*key, self.ranks.rank))
        norm = self.steps[role].take(images, labels, rate, self._loss.start)
        if self.averages is not None:
            self.averages.update(role, fresh=self.turn_rule.motivated_steps == 0)
        self._check_gradient()
        self._norm.start(norm)
        self._norm_pending = True
        value = self._loss.read()[0]
        if not math.isfinite(value):
            raise AgreedFailure(self._non_finite("loss", self.batch, role))
        self.log.roles.append(role)
        self.log.batches.append(self.batch)
        self.log.losses.append(value)
        self.log.learning_rates.append(rate)
        self.log.images.append(len(labels))
        return value

    def _observation(self, role: str, loss: float) -> Observation:
        """What the condition may see of the step that is done. Only for what it needs does the host wait."""
        norm = validation_loss = None
        if "gradient_norm" in self.needs:
            value = self._norm.read()[0]
            self._check_gradient()
            norm = value if math.isfinite(value) else None
        if self.held_out is not None:
            own = self.held_out.loss(self.models[role]) if self.ranks.first else None
            validation_loss = self.ranks.from_first(own)
            if not math.isfinite(validation_loss):
                raise AgreedFailure(self._non_finite("validation loss", self.batch, role))
        batches = self.length.steps_in(self.epoch)
        return Observation(self.epoch, self.batch, batches, loss, norm, validation_loss)

    def _check_gradient(self) -> None:
        """Read the previous step's gradient norm: it is on the host by now, so this does not stall the device.

        Under fp16 an infinite gradient is an ordinary skip of the scaler, counted; too many in a row are a failure.
        """
        if not self._norm_pending:
            return
        self._norm_pending = False
        finite = math.isfinite(self._norm.read()[0])
        if self.scaler is None and not finite:
            raise AgreedFailure(self._non_finite("gradient", self.log.batches[-1], self.log.roles[-1]))
        self.skipped_updates += not finite
        self._skipped_in_a_row = 0 if finite else self._skipped_in_a_row + 1
        if self._skipped_in_a_row == MAX_SKIPPED_IN_A_ROW:
            raise AgreedFailure(
                f"{MAX_SKIPPED_IN_A_ROW} updates in a row had gradients that fp16 cannot hold, epoch {self.epoch + 1}: "
                "what was saved is kept; try a lower --lr, or --precision bf16 or fp32"
            )

    def _non_finite(self, what: str, batch: int, role: str) -> str:
        step = self.length.steps_before(self.epoch) + batch + 1
        skipped = "the update was skipped and " if what in ("loss", "gradient") else ""
        return (
            f"non-finite {what} at step {step} (epoch {self.epoch + 1}, batch {batch + 1}, {role} model); "
            f"{skipped}what was saved is kept; try a lower --lr"
        )

    def evaluate(self, watcher: EvaluationWatcher = lambda role, split, done, total: None) -> dict[str, Measurements]:
        """By role and split: the models that are kept on all there is to evaluate on.

        `watcher` is told how many of the split's images a role's model has seen.
        """
        return {
            role: {split: self._evaluate(role, model, split, watcher) for split in self.batches.splits}
            for role, model in self.models_to_keep().items()
        }

    def evaluate_other_statistics(
        self, watcher: EvaluationWatcher = lambda role, split, done, total: None
    ) -> dict[str, Measured]:
        """By role, on the test images: what is kept with re-estimated statistics as trained, and the other way round.

        Empty where nothing is re-estimated, or a run has no test images.
        """
        if self.recalibration is None or "test" not in self.batches.splits:
            return {}
        as_trained = self.models_as_trained()
        models = as_trained if self.keeps_recalibrated else self._recalibrated(as_trained)
        return {role: self._evaluate(role, model, "test", watcher) for role, model in models.items()}

    def _evaluate(self, role: str, model: nn.Module, split: str, watcher: EvaluationWatcher) -> Measured:
        total = len(self.batches.to_evaluate[split][1])
        batches, dtype = self.batches.evaluation(split), self._autocast_dtype
        found = self.task.evaluate(model, batches, dtype, lambda done: watcher(role, split, done, total))
        if not math.isfinite(found.loss):  # after a last update whose own loss and gradient were finite
            raise RunFailed(self._non_finite(f"{split} loss", self.batch - 1, role))
        return found

    def models_to_keep(self) -> dict[str, nn.Module]:
        """What is evaluated and written, by role.

        The models of an alternating run have their BatchNorm statistics re-estimated; all others stay as trained.
        """
        as_trained = self.models_as_trained()
        return self._recalibrated(as_trained) if self.keeps_recalibrated else as_trained

    def _recalibrated(self, models: dict[str, nn.Module]) -> dict[str, nn.Module]:
        """Copies with statistics of the epoch that the last step was in; the same models where that is off."""
        epoch = self.epochs_before + max(0, self.steps_done - 1) // self.steps_per_epoch
        return self.recalibration.recalibrated(models, epoch) if self.recalibration else models

    def models_as_trained(self) -> dict[str, nn.Module]:
        """By role: the motivated model holds the base; averages where they are on."""
        self.turn_rule.refresh_motivated()
        if self.averages is None:
            return self.models
        return self.averages.models(fresh=self.turn_rule.motivated_steps == 0)

    def start_next_epoch(self) -> None:
        self.epoch += 1
        self.batch = 0
        self.log = EpochLog(switches_before=self.turn_rule.switches, copied_bytes_before=self.turn_rule.copied_bytes)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a resumed run needs: tensors by name, and plain data. Raises RunFailed as a step does."""
        self._check_gradient()
        turns = self.turn_rule.state_dict()
        plain = {"epoch": self.epoch, "batch": self.batch, "turns": turns, "log": asdict(self.log)}
        if self.scaler is not None:
            plain["scaler"] = self.scaler.state_dict()
            plain["skipped"] = [self.skipped_updates, self._skipped_in_a_row]
        return dict(self._tensors()), plain

    def load_state(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Put a saved state back in place: storage and memory layout stay, so views and fused kernels stay valid.

        Raises ValueError when the tensors are not those of this run.
        """
        put_in_place(self._tensors(), tensors)
        self.epoch, self.batch = plain["epoch"], plain["batch"]
        self.turn_rule.load_state_dict(plain["turns"])
        # A checkpoint of an earlier version has no batches: each had one update.
        self.log = EpochLog(**{"batches": list(range(len(plain["log"]["roles"]))), **plain["log"]})
        if self.scaler is not None:
            self.scaler.load_state_dict(plain["scaler"])
            self.skipped_updates, self._skipped_in_a_row = plain["skipped"]

    def go_on_from(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Begin with what another run of these models ended with: weights, averages, optimizer state, loss scale.

        The condition and all counts begin anew; that the motivated model has had steps of its own is remembered.
        Raises ValueError as `load_state` does.
        """
        put_in_place(self._tensors(), tensors)
        begun = {"motivated_steps": plain["turns"].get("motivated_steps", 0)}
        self.turn_rule.load_state_dict(self.turn_rule.state_dict() | begun)
        if self.scaler is not None:
            self.scaler.load_state_dict(plain["scaler"])

    def _tensors(self) -> dict[str, Tensor]:
        return tensors_of_run(self.models, self.optimizers, self.averages)
