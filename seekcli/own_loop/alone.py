"""`seekcli.Alone`: one model in somebody's own loop, the baseline of a run of both. The same loop, the same records.

alone = seekcli.Alone(small, optimizer, role="base", record=seekcli.Record(...))  # as of the run of both
for epoch in range(epochs):
    for x, y in loader:
        model, optimizer = alone.active
        ...
        alone.step(loss)
    alone.end_epoch(metrics={"test_loss": evaluate})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput, unknown
from seekcli.method.nested import require_plain
from seekcli.method.roles import BASE, MOTIVATED, ROLES
from seekcli.own_loop.loop import Inputs, Metric, OwnLoop
from seekcli.own_loop.refusals import checked_recalibration, require_one_process, require_record

if TYPE_CHECKING:
    from seekcli.own_loop.record import Record

Callback = Callable[["Alone"], None]


class Alone(OwnLoop):
    """One model of a pair trained alone, by the steps that `Alternating` asks for.

    `role` says which one it is the baseline of: "base" or "motivated". With the `Record` settings of the run of both,
    `seek compare` joins the two seed by seed. `recalibrate`, `scaler` and the callbacks are as in `Alternating`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        role: str = BASE,
        recalibrate: Inputs | bool | None = None,
        scaler: Any = None,
        record: Record | None = None,
        on_step: Callback | None = None,
        on_epoch: Callback | None = None,
    ) -> None:
        """Raises BadInput (a ValueError), naming the argument, for what does not fit."""
        if role not in ROLES:
            raise unknown("role:", role, ROLES)
        require_one_process()
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise BadInput(f"optimizer: one of torch is needed, not a {type(optimizer).__name__}")
        require_record(record)
        require_plain(model, role)
        self.role = self.schedule = role
        checked = checked_recalibration(model, recalibrate)
        super().__init__({role: model}, {role: optimizer}, checked, scaler, record)
        self.on_step, self.on_epoch = on_step, on_epoch
        if record is not None:
            record.begin(self)

    @property
    def motivated_steps(self) -> int:
        return self.steps_done if self.role == MOTIVATED else 0

    def own_settings(self) -> dict[str, Any]:
        """Nothing of a pair or a condition."""
        return {}

    def step(self, loss: Tensor | float) -> None:
        """After one update: its loss, unscaled; the mean over micro-batches where there are some. Raises as that of
        `Alternating`."""
        self._take(loss)
        self.batch += 1
        self.steps_done += 1
        if self.on_step is not None:
            self.on_step(self)

    def end_epoch(
        self, metrics: Mapping[str, Metric | Mapping[str, float]] | None = None
    ) -> dict[str, dict[str, float]]:
        """The model evaluated as it is kept; metrics by role. Takes and raises what that of `Alternating` does."""
        self._require_steps(metrics or {})
        self.metrics = self._evaluated(metrics or {})
        self._close_epoch()
        if self.on_epoch is not None:
            self.on_epoch(self)
        self._open_epoch()
        return self.metrics
