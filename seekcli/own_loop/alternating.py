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
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from seekcli.errors import BadInput
from seekcli.method.alternating import Alternating as Algorithm1
from seekcli.method.condition import Condition, needs_of
from seekcli.method.identity import identity_error, require_identity, require_learning
from seekcli.method.nested import require_plain
from seekcli.method.observation import Observation
from seekcli.method.pair import Pair
from seekcli.method.roles import MOTIVATED, ROLES
from seekcli.own_loop.active_optimizer import ActiveOptimizer
from seekcli.own_loop.carried import CarriedState
from seekcli.own_loop.conditions import named_settings
from seekcli.own_loop.loop import Metric, OwnLoop
from seekcli.own_loop.optimizers import LaidOutState
from seekcli.own_loop.refusals import (
    checked_recalibration,
    require_condition,
    require_one_process,
    require_optimizers,
    require_record,
)

if TYPE_CHECKING:
    from seekcli.own_loop.record import Record

Optimizers = tuple[torch.optim.Optimizer, torch.optim.Optimizer]
Callback = Callable[["Alternating"], None]


class Alternating(OwnLoop):
    """Which of two nested models takes the next batch, and what the switches carry.

    `optimizers` are those of the base and of the motivated model. `buffers` "own" leaves running statistics with their
    model. `recalibrate` gives the inputs of some training batches each time it is called; models that have BatchNorm
    are kept with statistics estimated anew on them (False: as trained). `scaler` says that a GradScaler may skip
    updates. `steps_per_epoch` is for conditions that count. `initial_state` is what an unknown optimizer starts with.
    `record` is where the run is written: a `seekcli.Record`.

    `on_step`, `on_switch` and `on_epoch` are called with this object: after each step, after each copy, after each
    epoch's evaluation.
    """

    schedule = "alternating"

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
        if not isinstance(pair, Pair):
            raise BadInput(f"pair: a seekcli.Pair is needed, as Pair.nested makes one, not a {type(pair).__name__}")
        require_optimizers(optimizers)
        require_record(record)
        for model, role in ((pair.base, "base"), (pair.motivated, "motivated model")):
            require_plain(model, role)
        require_condition(condition, steps_per_epoch)
        if buffers not in ("own", "carried"):
            raise BadInput(f"buffers: own or carried, not {buffers!r}")
        self.pair, self.condition, self.buffers = pair, condition, buffers
        models, by_role = (pair.base, pair.motivated), dict(zip(ROLES, optimizers, strict=True))
        checked = checked_recalibration(pair.motivated, recalibrate)
        super().__init__(dict(zip(ROLES, models, strict=True)), by_role, checked, scaler, record)
        self.steps_per_epoch, self.coverage = steps_per_epoch, pair.coverage
        self.on_step, self.on_switch, self.on_epoch = on_step, on_switch, on_epoch
        self._state = CarriedState(pair, LaidOutState(pair, optimizers, initial_state), buffers)
        self._rule = Algorithm1(self._state, condition)
        self._verification: RemovableHandle | None = self._verify_on_first_batch() if pair.unverified else None
        if record is not None:
            record.begin(self)

    @property
    def role(self) -> str:  # type: ignore[override]
        """Whose turn it is: "base" or "motivated"."""
        return self._rule.role

    def active_optimizer(self) -> torch.optim.Optimizer:
        """Both optimizers as one, whose step is that of the active model: for Lightning and for Hugging Face's Trainer,
        which take a single one (docs/python.md)."""
        return ActiveOptimizer(self)

    @property
    def motivated_steps(self) -> int:
        return self._rule.motivated_steps

    @property
    def switches(self) -> int:  # type: ignore[override]
        """Copies, the forced ones at the ends of epochs included."""
        return self._rule.switches

    @property
    def copied_bytes(self) -> int:  # type: ignore[override]
        return self._rule.copied_bytes

    def own_settings(self) -> dict[str, Any]:
        """What its config says beyond that of a model alone: start, buffers and condition."""
        start = "identity" if self.pair.unverified or self.pair.identity_error is not None else "paper"
        return {"pair.init": start, "pair.buffers": self.buffers, **named_settings(self.condition)}

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
        role, value = self.role, self._take(loss)
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

    def end_epoch(
        self, metrics: Mapping[str, Metric | Mapping[str, float]] | None = None
    ) -> dict[str, dict[str, float]]:
        """The forced switch to the base, then both models evaluated, each as it is kept; metrics by role.

        A metric is a function of a model (in eval mode, without gradients), or its value by role. Raises BadInput where
        the epoch has no step, or a metric is not known to the record.
        """
        self._require_steps(metrics or {})
        before = self.switches
        self._rule.end_epoch()
        if self.switches != before and self.on_switch is not None:
            self.on_switch(self)
        self.metrics = self._evaluated(metrics or {})
        self._close_epoch()
        if self.on_epoch is not None:
            self.on_epoch(self)
        self._open_epoch()
        return self.metrics

    def models_to_keep(self) -> dict[str, nn.Module]:
        """Copies of both models by role, in eval mode: the base copied into the motivated model, statistics of
        BatchNorm estimated anew. Raises BadInput inside a motivated state: end the epoch first."""
        return super().models_to_keep()

    def _kept(self, copies: bool) -> dict[str, nn.Module]:
        if self.role == MOTIVATED:
            raise BadInput("the motivated model is in training, and the base is behind it: call end_epoch() first")
        self._rule.refresh_motivated()
        return super()._kept(copies)

    def state_dict(self) -> dict[str, Any]:
        """Where the loop stands, as plain data: with the states of models and optimizers a resume is exact."""
        return super().state_dict() | {"rule": copy.deepcopy(self._rule.state_dict())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave; models and optimizers are loaded by their own `load_state_dict`."""
        self._rule.load_state_dict(state["rule"])
        self._stop_verifying()
        super().load_state_dict(state)

    def _stop_verifying(self) -> None:
        if self._verification is not None:
            self._verification.remove()
            self._verification = None

    def _verify_on_first_batch(self) -> RemovableHandle:
        """Nobody gave a sample: the inputs of the base's first batch are one."""

        def verify(model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._stop_verifying()
            sample = named if named else arguments
            require_identity(self.pair, identity_error(self.pair, sample))
            require_learning(self.pair, sample)

        return self.pair.base.register_forward_pre_hook(verify, with_kwargs=True)
