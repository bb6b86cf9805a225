"""A moving average of the weights (`train.ema_decay`), off by default. Where it is on, it is evaluated and kept.

Each model has an average of its own, moved after each of its own updates; the training itself never reads it. As the
motivated model is evaluated with the base copied in, so is its average with the base's average.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from seekcli.method.pair import Carrier, Pair
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


def build_averages(models: dict[str, nn.Module], decay: float) -> dict[str, WeightAverage]:
    """By role; empty when the average is off."""
    return {role: WeightAverage(model, decay) for role, model in models.items()} if decay else {}


def average_carrier(pair: Pair, averages: dict[str, WeightAverage], buffers: str) -> Carrier:
    """Puts the base's average into the motivated model's (an average has no optimizer).

    `buffers` as of the pair's own carrier: with "own" each average keeps the running statistics of its model.
    """
    models = (averages["base"].model, averages["motivated"].model)
    return Carrier(Pair(*models, pair.weights_map, pair.entry), {}, {}, buffers)
