"""Whether a loop did what the algorithm counts on: one update, of the model whose turn it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from seekcli.errors import BadInput
from seekcli.method.roles import BASE, MOTIVATED


class UpdateCounter:
    """Counts the updates of both optimizers between two calls of `check`."""

    def __init__(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.made = dict.fromkeys(optimizers, 0)
        for role, optimizer in optimizers.items():
            optimizer.register_step_post_hook(self._counter(role))

    def _counter(self, role: str) -> Callable[..., None]:
        def count(*_: object) -> None:
            self.made[role] += 1

        return count

    def check(self, role: str, may_skip: bool) -> None:
        """Raise BadInput unless the model of this role made one update (none, where it may be skipped)."""
        made, self.made = self.made, dict.fromkeys(self.made, 0)
        other = MOTIVATED if role == BASE else BASE
        if made.get(other):
            raise BadInput(
                f"step: it was the {role} model's turn, and the {other} one was updated: use alternating.active"
            )
        if made[role] > 1:
            raise BadInput(f"step: {made[role]} updates since the last call: call it once after each optimizer.step()")
        if not made[role] and not may_skip:
            raise BadInput(
                "step: no update since the last call: call it once after optimizer.step(), not after each micro-batch; "
                "scaler=... says that a GradScaler may skip updates"
            )
