"""A moving average of the weights (`train.ema_decay`), off by default. Where it is on, it is evaluated and kept.

Each model has an average of its own, moved after each of its own updates; the training itself never reads it. As the
motivated model is evaluated with the base copied in, so is its average with the base's average.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import tensors_of


class WeightAverage:
    """average = decay x average + (1 - decay) x weights: parameters and floating buffers; counters are copied."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._weight = 1.0 - decay
        source, average = tensors_of(model), tensors_of(self.model)
        floating = [name for name, tensor in source.items() if tensor.is_floating_point()]
        self._moving: list[list[Tensor]] = [[tensors[name] for name in floating] for tensors in (average, source)]
        self._copied = [(average[name], source[name]) for name in source if name not in set(floating)]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the model's weights as they are now, in place."""
        averages, weights = self._moving
        torch._foreach_lerp_(averages, weights, self._weight)
        for average, counter in self._copied:
            average.copy_(counter)


class Averages:
    """The averages of a run's models by role. The motivated model's holds the base's where a pair is trained."""

    def __init__(self, models: Mapping[str, nn.Module], decay: float, pair: Pair | None, buffers: str) -> None:
        """`buffers` as of the pair's own `StateTransfer`: with "own" each average keeps the statistics of its model."""
        self.of = {role: WeightAverage(model, decay) for role, model in models.items()}
        self._state_transfer: StateTransfer | None = None
        if pair is not None:
            averaged = Pair(self.of["base"].model, self.of["motivated"].model, pair.weights_map, pair.after_copy_up)
            self._state_transfer = StateTransfer(averaged, {}, {}, buffers)  # an average has no optimizer

    def update(self, role: str, fresh: bool) -> None:
        """After an update of this role's model. `fresh`: the motivated model has taken no step before this one.

        Its average starts from the base's statistics, evaluated before its first step or not.
        """
        if self._state_transfer is not None and role == "motivated" and fresh:
            self._state_transfer.start_statistics()
        self.of[role].update()

    def models(self, fresh: bool) -> dict[str, nn.Module]:
        """By role, as they are evaluated; `fresh` as of `update`."""
        if self._state_transfer is not None:
            self._state_transfer.refresh(fresh=fresh)
        return {role: average.model for role, average in self.of.items()}
