"""What every loop of one's own has, whether it trains two models or one: the log of its epoch, evaluation, files."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput, RunFailed
from seekcli.own_loop.updates import UpdateCounter

if TYPE_CHECKING:
    from seekcli.own_loop.record import Record

Metric = Callable[[nn.Module], float]
Inputs = Callable[[], Iterable[Tensor]]


class OwnLoop(ABC):
    """Models by role with their optimizers, the steps of the epoch that is under way, and the record.

    A subclass says whose turn it is (`role`), counts its switches, and calls `_take` in its `step`.
    """

    schedule: str
    role: str
    switches: int = 0
    copied_bytes: int = 0
    coverage: float | None = None
    steps_per_epoch: int | None = None

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        recalibrate: Inputs | None,
        scaler: Any,
        record: Record | None,
    ) -> None:
        self.models, self.optimizers = dict(models), dict(optimizers)
        self.recalibrate, self.scaler, self.record = recalibrate, scaler, record
        self._updates = UpdateCounter(self.optimizers)
        self.epoch = self.batch = self.steps_done = 0
        self.losses: list[float] = []  # of this epoch, and who took the batch, at which rate
        self.roles: list[str] = []
        self.learning_rates: list[float] = []
        self.metrics: dict[str, dict[str, float]] = {}  # role -> of the last epoch that was evaluated

    @property
    @abstractmethod
    def motivated_steps(self) -> int:
        """Steps of the larger model so far."""

    @abstractmethod
    def own_settings(self) -> dict[str, Any]:
        """What config.json says of this kind of loop alone."""

    @property
    def active(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The model that takes the next batch, and its optimizer."""
        return self.models[self.role], self.optimizers[self.role]

    def _take(self, loss: Tensor | float) -> float:
        """Check one update of the active model and log it; its loss as a number. Raises as `step` does."""
        self._updates.check(self.role, may_skip=self.scaler is not None)
        value = self._finite(loss)
        if self.steps_per_epoch is not None and self.batch >= self.steps_per_epoch:
            raise BadInput(f"step: epoch {self.epoch + 1} has more than steps_per_epoch={self.steps_per_epoch} steps")
        self.losses.append(value)
        self.roles.append(self.role)
        self.learning_rates.append(float(self.optimizers[self.role].param_groups[0]["lr"]))
        return value

    def _finite(self, loss: Tensor | float) -> float:
        if isinstance(loss, Tensor) and loss.numel() != 1:
            raise BadInput(f"step: the loss is one number, not a tensor of shape {tuple(loss.shape)}")
        if not isinstance(loss, Tensor | int | float):
            raise BadInput(f"step: the loss is a number or a tensor, not a {type(loss).__name__}")
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        if not math.isfinite(value):
            self._fail(f"non-finite loss at step {self.steps_done + 1} (epoch {self.epoch + 1}, {self.role} model)")
        return value

    def _require_steps(self, metrics: Iterable[str]) -> None:
        if not isinstance(metrics, Mapping):
            raise BadInput(f"end_epoch: metrics are functions by name, not a {type(metrics).__name__}")
        if not self.batch:
            raise BadInput(f"end_epoch: epoch {self.epoch + 1} has no step")
        if self.record is not None:
            self.record.require_known(metrics)

    def _close_epoch(self) -> None:
        """Count the epoch, which was evaluated, and write its rows."""
        self.epoch += 1
        if self.record is not None:
            self.record.epoch_done(self)

    def _open_epoch(self) -> None:
        self.batch, self.losses, self.roles, self.learning_rates = 0, [], [], []

    def _evaluated(self, metrics: Mapping[str, Metric | Mapping[str, float]]) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {role: {} for role in self.models}
        given = {name: metric for name, metric in metrics.items() if not callable(metric)}
        asked = {name: metric for name, metric in metrics.items() if callable(metric)}
        for name, values in given.items():
            if not isinstance(values, Mapping) or found.keys() - values.keys():
                raise BadInput(f"end_epoch: {name} is a function of a model, or a value for each of {', '.join(found)}")
            for role in found:
                found[role][name] = self._number(name, role, values[role])
        if asked:
            with self.evaluating() as models:
                for role, model in models.items():
                    found[role] |= {name: self._number(name, role, metric(model)) for name, metric in asked.items()}
        return found

    def _number(self, name: str, role: str, value: Any) -> float:
        """Raises BadInput for no number, RunFailed for one that is not finite; a loss may be: it is recorded so."""
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
            raise BadInput(f"end_epoch: {name} gave a {type(value).__name__}{shape}, not a number") from None
        if not math.isfinite(number) and not name.endswith("_loss"):
            self._fail(f"{name} of the {role} model is {number} after epoch {self.epoch + 1}")
        return number

    def _fail(self, message: str) -> None:
        if self.record is not None:
            self.record.failed(self, message)
        raise RunFailed(message)

    @contextmanager
    def evaluating(self) -> Iterator[dict[str, nn.Module]]:
        """The models as they are kept, in eval mode and without gradients; they go back to training afterwards."""
        models = self._kept(copies=self.recalibrate is not None)
        training = [(module, module.training) for model in self.models.values() for module in model.modules()]
        try:
            for model in models.values():
                model.eval()
            with torch.no_grad():
                yield models
        finally:
            for module, was_training in training:
                module.training = was_training

    def models_to_keep(self) -> dict[str, nn.Module]:
        """Copies of the models by role, in eval mode; statistics of BatchNorm estimated anew where `recalibrate` is."""
        return {role: model.eval() for role, model in self._kept(copies=True).items()}

    def _kept(self, copies: bool) -> dict[str, nn.Module]:
        if not copies:
            return self.models
        models = copy.deepcopy(self.models)
        for model in models.values():
            model.requires_grad_(False).eval()
        if self.recalibrate is not None:
            from seekcli.train.recalibration import estimate_statistics

            inputs = list(self.recalibrate())
            if not inputs:
                raise BadInput("recalibrate gave no batch")
            for model in models.values():
                estimate_statistics(model, inputs, len(inputs))
        return models

    def save(self, folder: str | Path) -> list[Path]:
        """Write the models as they are kept into a folder (safetensors, and a card.json); the paths written."""
        from seekcli.own_loop.saved import save_models

        return save_models(self, Path(folder))

    def state_dict(self) -> dict[str, Any]:
        """Where the loop stands, as plain data: with the states of models and optimizers a resume is exact."""
        here = {name: getattr(self, name) for name in ("epoch", "batch", "steps_done")}
        log = {name: list(getattr(self, name)) for name in ("losses", "roles", "learning_rates")}
        recorded = {} if self.record is None else {"record": self.record.state_dict()}
        return {**here, **log, **recorded}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave; models and optimizers are loaded by their own `load_state_dict`."""
        self.epoch, self.batch, self.steps_done = (state[name] for name in ("epoch", "batch", "steps_done"))
        self.losses, self.roles = list(state["losses"]), list(state["roles"])
        self.learning_rates = list(state["learning_rates"])
        if self.record is not None:
            self.record.load_state_dict(state["record"], self)
