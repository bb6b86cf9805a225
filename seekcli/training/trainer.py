"""The loop: one path for every schedule. Steps, epoch ends, and all state that a checkpoint must hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seekcli.config import RunConfig
from seekcli.data.batches import Batches
from seekcli.data.keys import key_of
from seekcli.data.sources import Dataset
from seekcli.errors import RunFailed
from seekcli.method.alternating import Alone, Alternating, Turns
from seekcli.method.condition import CONDITIONS, Observation
from seekcli.method.pair import Carrier
from seekcli.models.pairs import build_models, build_pair
from seekcli.training.evaluation import Evaluation, evaluate
from seekcli.training.optimizers import build_optimizer, optimizer_state
from seekcli.training.schedules import learning_rate
from seekcli.training.step import AUTOCAST, Readback, Step


@dataclass
class EpochLog:
    """What happened since the epoch began: one entry per step, and the counters at its start."""

    roles: list[str] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    switches_before: int = 0
    copied_bytes_before: int = 0
    seconds: float = 0.0

    def mean_loss(self, role: str) -> float | None:
        """Mean training loss per image over the steps of this role; None when it took none."""
        taken = [
            (loss, images)
            for loss, images, who in zip(self.losses, self.images, self.roles, strict=True)
            if who == role
        ]
        total = sum(images for _, images in taken)
        return math.fsum(loss * images for loss, images in taken) / total if total else None

    def images_of(self, role: str) -> int:
        return sum(images for images, who in zip(self.images, self.roles, strict=True) if who == role)


class Trainer:
    """Models, optimizers, batches and turns of one run, and where it stands.

    `epoch` counts finished epochs, `batch` the finished batches of the current one.
    """

    def __init__(self, config: RunConfig, dataset: Dataset, device: torch.device) -> None:
        self.config = config
        self.device = device
        self.epoch = 0
        self.batch = 0
        self.log = EpochLog()
        self.coverage: float | None = None
        channels_last = config.runtime.layout == "channels_last"
        self.batches = Batches(dataset, config, device, channels_last)
        pair = None if config.classic else build_pair(config)
        models = {"base": pair.base, "motivated": pair.motivated} if pair else build_models(config)
        self.models = {role: place(model, device, channels_last) for role, model in models.items()}
        scaler = torch.amp.GradScaler(device.type) if config.runtime.precision == "fp16" else None
        self.scaler = scaler
        self.optimizers = {
            role: build_optimizer(config.optimizer, model, device) for role, model in self.models.items()
        }
        self.steps = {role: Step(model, self.optimizers[role], config, scaler) for role, model in self.models.items()}
        self.turns: Turns = Alone(config.schedule)
        if pair:
            self.coverage = pair.weights_map.coverage
            state = {role: optimizer_state(self.optimizers[role], model) for role, model in self.models.items()}
            condition = CONDITIONS[config.motivation.condition](config.motivation.k)
            self.turns = Alternating(Carrier(pair, state["base"], state["motivated"]), condition)
        self._loss = Readback(device, 1)
        self._norm = Readback(device, 1)
        self._norm_pending = False

    @property
    def steps_per_epoch(self) -> int:
        return self.batches.steps_per_epoch

    @property
    def steps_done(self) -> int:
        return self.epoch * self.steps_per_epoch + self.batch

    @property
    def finished(self) -> bool:
        return self.epoch == self.config.train.epochs

    def train_epoch(self, after_step: Callable[[], None]) -> None:
        """The rest of the current epoch up to its forced switch; `after_step` may save, show progress, or raise."""
        for model in self.models.values():
            model.train()
        clock = time.perf_counter()
        for images, labels in self.batches.epoch(self.epoch, self.batch):
            self._train_step(images, labels)
            self.batch += 1
            self.log.seconds += time.perf_counter() - clock
            after_step()
            clock = time.perf_counter()
        self._check_gradient()
        self.turns.end_epoch()

    def _train_step(self, images: Tensor, labels: Tensor) -> None:
        """Algorithm 1 for one batch. The loss travels to the host while backward and update run (DESIGN: Speed)."""
        role, train = self.turns.role, self.config.train
        rate = learning_rate(
            self.config.lr_schedule, self.config.optimizer.lr, self.steps_done, self.steps_per_epoch, train.epochs
        )
        # Dropout draws depend on (seed, epoch, step) alone, not on what was drawn before or by which model.
        torch.manual_seed(key_of("dropout", self.config.seed, self.epoch, self.batch))
        loss = self.steps[role].forward(images, labels)
        self._loss.start(loss)
        norm = self.steps[role].update(loss, rate)
        self._check_gradient()
        self._norm.start(norm)
        self._norm_pending = True
        value = self._loss.read()[0]
        if not math.isfinite(value):
            raise RunFailed(self._non_finite("loss", self.batch, role))
        self.log.roles.append(role)
        self.log.losses.append(value)
        self.log.learning_rates.append(rate)
        self.log.images.append(len(labels))
        self.turns.observe(Observation(self.epoch, self.batch, self.steps_per_epoch, value))

    def _check_gradient(self) -> None:
        """Read the previous step's gradient norm: it is on the host by now, so this does not stall the device.

        Under fp16 an infinite gradient is an ordinary skip of the scaler.
        """
        if self._norm_pending and self.scaler is None and not math.isfinite(self._norm.read()[0]):
            raise RunFailed(self._non_finite("gradient", len(self.log.roles) - 1, self.log.roles[-1]))
        self._norm_pending = False

    def _non_finite(self, what: str, batch: int, role: str) -> str:
        step = self.epoch * self.steps_per_epoch + batch + 1
        return (
            f"non-finite {what} at step {step} (epoch {self.epoch + 1}, batch {batch + 1}, {role} model); "
            "the update was skipped and the last checkpoint is kept; try a lower --lr"
        )

    def evaluate(self) -> dict[str, Evaluation]:
        """Both models on the test split, the motivated one with the base copied in (method, Algorithm 1)."""
        self.turns.refresh_motivated()
        dtype = AUTOCAST[self.config.runtime.precision]
        return {role: evaluate(model, self.batches.test(), dtype) for role, model in self.models.items()}

    def start_next_epoch(self) -> None:
        self.epoch += 1
        self.batch = 0
        self.log = EpochLog(switches_before=self.turns.switches, copied_bytes_before=self.turns.copied_bytes)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a resumed run needs: tensors by name, and plain data."""
        plain = {"epoch": self.epoch, "batch": self.batch, "turns": self.turns.state_dict(), "log": asdict(self.log)}
        if self.scaler is not None:
            plain["scaler"] = self.scaler.state_dict()
        return dict(self._tensors()), plain

    def load_state(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Put a saved state back in place: storage and memory layout stay, so views and fused kernels stay valid.

        Raises ValueError when the tensors are not those of this run.
        """
        own = self._tensors()
        if own.keys() != tensors.keys():
            raise ValueError(f"tensors differ from this run's: {sorted(own.keys() ^ tensors.keys())[:3]}")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        self.epoch, self.batch = plain["epoch"], plain["batch"]
        self.turns.load_state_dict(plain["turns"])
        self.log = EpochLog(**plain["log"])
        if self.scaler is not None:
            self.scaler.load_state_dict(plain["scaler"])

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for role, model in self.models.items():
            tensors |= {f"{role}/{name}": tensor for name, tensor in model.state_dict().items()}
            for name, state in optimizer_state(self.optimizers[role], model).items():
                tensors |= {f"{role}.optimizer/{name}/{key}": tensor for key, tensor in state.items()}
        return tensors


def place(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """Move to the device and give 4-d tensors their memory layout, in place."""
    if channels_last:
        return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)
