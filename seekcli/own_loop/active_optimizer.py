"""The two optimizers of an `Alternating` as one, for frameworks whose loop takes a single `torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from seekcli.own_loop.alternating import Alternating


class ActiveOptimizer(torch.optim.Optimizer):
    """Its step is that of the model whose turn it is; its parameter groups are the very groups of both optimizers, so
    that a learning rate schedule over it is one over both.

    Its state_dict has those of both optimizers and of the loop.
    """

    def __init__(self, alternating: Alternating) -> None:
        self.alternating = alternating
        both = list(alternating.optimizers.values())
        super().__init__([parameter for one in both for group in one.param_groups for parameter in group["params"]], {})
        self.param_groups = [group for one in both for group in one.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of the active model. A closure must be of that model: its turn ends with `alternating.step`."""
        _, optimizer = self.alternating.active
        return optimizer.step() if closure is None else optimizer.step(closure)

    def state_dict(self) -> dict[str, Any]:
        optimizers = {role: one.state_dict() for role, one in self.alternating.optimizers.items()}
        return {"optimizers": optimizers, "alternating": self.alternating.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave; the models are loaded by their own `load_state_dict`."""
        for role, state in state_dict["optimizers"].items():
            self.alternating.optimizers[role].load_state_dict(state)
        self.alternating.load_state_dict(state_dict["alternating"])
        # Loading makes new groups.
        self.param_groups = [group for one in self.alternating.optimizers.values() for group in one.param_groups]
