"""`seekcli.Alternating`: Algorithm 1 in somebody's own loop. The loop trains; this decides, switches and carries.

    alternating = seekcli.Alternating(pair, optimizers=(opt_small, opt_large), condition=seekcli.conditions.Loss(k=2))
    for epoch in range(epochs):
        for x, y in loader:
            model, optimizer = alternating.active
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            alternating.step(loss)
        alternating.end_epoch(metrics={"test_loss": evaluate})

docs/python.md has more.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from seekcli.errors import BadInput, RunFailed
from seekcli.method.alternating import Alternating as Algorithm1
from seekcli.method.condition import Condition, needs_of
from seekcli.method.identity import identity_error, require_identity
from seekcli.method.nested import require_plain
from seekcli.method.observation import Observation
from seekcli.method.pair import Pair
from seekcli.method.roles import BASE, MOTIVATED
from seekcli.own_loop.carried import CarriedState
from seekcli.own_loop.optimizers import LaidOutState
from seekcli.own_loop.refusals import checked_recalibration, require_condition, require_one_process
from seekcli.own_loop.updates import UpdateCounter

if TYPE_CHECKING:
    from seekcli.own_loop.record import Record

Optimizers = tuple[torch.optim.Optimizer, torch.optim.Optimizer]
Metric = Callable[[nn.Module], float]
Callback = Callable[["Alternating"], None]


class Alternating:
    """Which of two nested models takes the next batch, and what the switches carry.

    `optimizers` are those of the base and of the motivated model. `buffers` "own" leaves running statistics with their
    model. `recalibrate` gives the inputs of some training batches each time it is called; models that have BatchNorm
    are kept with statistics estimated anew on them (False: as trained). `scaler` says that a GradScaler may skip
    updates. `steps_per_epoch` is for conditions that count. `initial_state` is what an unknown optimizer starts with.
    `record` is where the run is written: a `seekcli.Record`.

    `on_step`, `on_switch` and `on_epoch` are called with this object: after each step, after each copy, after each
    epoch's evaluation.
    """

    def __init__(
        self,
        pair: Pair,
        *,
        optimizers: Optimizers,
        condition: Condition,
        buffers: str = "own",
        recalibrate: Callable[[], Iterable[Tensor]] | bool | None = None,
        scaler: Any = None,
        steps_per_epoch: int | None = None,
        initial_state: Mapping[str, float] | None = None,
        record: Record | None = None,
        on_step: Callback | None = None,
        on_switch: Callback | None = None,
        on_epoch: Callback | None = None,
    ) -> None:
        """Raises BadInput (a ValueError), naming the argument, for what does not fit."""
        require_one_process()
        for model, role in ((pair.base, "base"), (pair.motivated, "motivated model")):
            require_plain(model, role)
        require_condition(condition, steps_per_epoch)
        if buffers not in ("own", "carried"):
            raise BadInput(f"buffers: own or carried, not {buffers!r}")
        self.pair, self.condition, self.buffers, self.scaler = pair, condition, buffers, scaler
        self.optimizers = dict(zip((BASE, MOTIVATED), optimizers, strict=True))
        self.recalibrate = checked_recalibration(pair, recalibrate)
        self.steps_per_epoch = steps_per_epoch
        self.on_step, self.on_switch, self.on_epoch = on_step, on_switch, on_epoch
        self._state = CarriedState(pair, LaidOutState(pair, optimizers, initial_state), buffers)
        self._rule = Algorithm1(self._state, condition)
        self._updates = UpdateCounter(self.optimizers)
        self.epoch = self.batch = self.steps_done = 0
        self.losses: list[float] = []  # of this epoch, and who took the batch, at which rate
        self.roles: list[str] = []
        self.learning_rates: list[float] = []
        self.metrics: dict[str, dict[str, float]] = {}  # role -> of the last epoch that was evaluated
        self._verification: RemovableHandle | None = self._verify_on_first_batch() if pair.unverified else None
        self.record = record
        if record is not None:
            record.begin(self)

    @property
    def role(self) -> str:
        """Whose turn it is: "base" or "motivated"."""
        return self._rule.role

    @property
    def active(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The model that takes the next batch, and its optimizer."""
        return self.models[self.role], self.optimizers[self.role]

    @property
    def models(self) -> dict[str, nn.Module]:
        return {BASE: self.pair.base, MOTIVATED: self.pair.motivated}

    @property
    def motivated_steps(self) -> int:
        return self._rule.motivated_steps

    @property
    def switches(self) -> int:
        """Copies, the forced ones at the ends of epochs included."""
        return self._rule.switches

    @property
    def copied_bytes(self) -> int:
        return self._rule.copied_bytes

    @property
    def share(self) -> float:
        """Motivated steps / steps so far."""
        return self.motivated_steps / max(1, self.steps_done)

    def step(
        self, loss: Tensor | float, *, gradient_norm: float | None = None, validation_loss: float | None = None
    ) -> None:
        """After one update of the active model: its loss, unscaled; the mean over micro-batches where there are some.

        Raises BadInput where the active optimizer made no update, or more than one, or the other one did; RunFailed for
        a loss that is not finite.
        """
        self._updates.check(self.role, may_skip=self.scaler is not None)
        value = self._finite(loss)
        if self.steps_per_epoch is not None and self.batch >= self.steps_per_epoch:
            raise BadInput(f"step: epoch {self.epoch + 1} has more than steps_per_epoch={self.steps_per_epoch} steps")
        role = self.role
        self.losses.append(value)
        self.roles.append(role)
        self.learning_rates.append(float(self.optimizers[role].param_groups[0]["lr"]))
        seen = {"gradient_norm": gradient_norm, "validation_loss": validation_loss}
        for name in needs_of(self.condition):
            if seen[name] is None:
                raise BadInput(f"step: {type(self.condition).__name__} needs {name}: step(loss, {name}=...)")
        observation = Observation(self.epoch, self.batch, self.steps_per_epoch or 0, value, **seen)
        self.batch += 1
        self.steps_done += 1
        self._rule.observe(observation)
        if self.role != role and self.on_switch is not None:
            self.on_switch(self)
        if self.on_step is not None:
            self.on_step(self)

    def _finite(self, loss: Tensor | float) -> float:
        if isinstance(loss, Tensor) and loss.numel() != 1:
            raise BadInput(f"step: the loss is one number, not a tensor of shape {tuple(loss.shape)}")
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        if not math.isfinite(value):
            message = f"non-finite loss at step {self.steps_done + 1} (epoch {self.epoch + 1}, {self.role} model)"
            if self.record is not None:
                self.record.failed(self, message)
            raise RunFailed(message)
        return value

    def end_epoch(
        self, metrics: Mapping[str, Metric | Mapping[str, float]] | None = None
    ) -> dict[str, dict[str, float]]:
        """The forced switch to the base, then both models evaluated, each as it is kept; metrics by role.

        A metric is a function of a model (in eval mode, without gradients), or its value by role. Raises BadInput where
        the epoch has no step, or a metric is not known to the record.
        """
        if not self.batch:
            raise BadInput(f"end_epoch: epoch {self.epoch + 1} has no step")
        if self.record is not None:
            self.record.require_known(metrics or {})
        before = self.switches
        self._rule.end_epoch()
        if self.switches != before and self.on_switch is not None:
            self.on_switch(self)
        self.metrics = self._evaluated(metrics or {})
        self.epoch += 1
        if self.record is not None:
            self.record.epoch_done(self)
        if self.on_epoch is not None:
            self.on_epoch(self)
        self.batch, self.losses, self.roles, self.learning_rates = 0, [], [], []
        return self.metrics

    def _evaluated(self, metrics: Mapping[str, Metric | Mapping[str, float]]) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {BASE: {}, MOTIVATED: {}}
        given = {name: metric for name, metric in metrics.items() if not callable(metric)}
        asked = {name: metric for name, metric in metrics.items() if callable(metric)}
        for name, values in given.items():
            for role in found:
                found[role][name] = float(values[role])
        if asked:
            with self.evaluating() as models:
                for role, model in models.items():
                    found[role] |= {name: float(metric(model)) for name, metric in asked.items()}
        return found

    @contextmanager
    def evaluating(self) -> Iterator[dict[str, nn.Module]]:
        """Both models as they are kept, in eval mode and without gradients; they go back to training afterwards."""
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
        """Copies of both models by role, in eval mode: the base copied into the motivated model, statistics of
        BatchNorm estimated anew. Raises BadInput inside a motivated state: end the epoch first."""
        return {role: model.eval() for role, model in self._kept(copies=True).items()}

    def _kept(self, copies: bool) -> dict[str, nn.Module]:
        if self.role == MOTIVATED:
            raise BadInput("the motivated model is in training, and the base is behind it: call end_epoch() first")
        self._rule.refresh_motivated()
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
        """Write both models as they are kept into a folder (safetensors, and a card.json); the paths written."""
        from seekcli.own_loop.saved import save_models

        return save_models(self, Path(folder))

    def state_dict(self) -> dict[str, Any]:
        """Where the loop stands, as plain data: with the states of models and optimizers a resume is exact."""
        here = {name: getattr(self, name) for name in ("epoch", "batch", "steps_done")}
        log = {name: list(getattr(self, name)) for name in ("losses", "roles", "learning_rates")}
        recorded = {} if self.record is None else {"record": self.record.state_dict()}
        return {**here, **log, "rule": copy.deepcopy(self._rule.state_dict()), **recorded}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave; models and optimizers are loaded by their own `load_state_dict`."""
        self._rule.load_state_dict(state["rule"])
        self.epoch, self.batch, self.steps_done = (state[name] for name in ("epoch", "batch", "steps_done"))
        self.losses, self.roles = list(state["losses"]), list(state["roles"])
        self.learning_rates = list(state["learning_rates"])
        self._stop_verifying()
        if self.record is not None:
            self.record.load_state_dict(state["record"], self)

    def _stop_verifying(self) -> None:
        if self._verification is not None:
            self._verification.remove()
            self._verification = None

    def _verify_on_first_batch(self) -> RemovableHandle:
        """Nobody gave a sample: the inputs of the base's first batch are one."""

        def verify(model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._stop_verifying()
            require_identity(self.pair, identity_error(self.pair, named if named else arguments))

        return self.pair.base.register_forward_pre_hook(verify, with_kwargs=True)
