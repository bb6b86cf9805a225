"""The training loss: targets are class numbers [B], or shares of each class [B, K] where images were mixed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from seekcli.config.settings import TrainConfig

Loss = Callable[[Tensor, Tensor], Tensor]  # logits float32 [B, K], targets [B] or [B, K] -> mean loss, 0-d


def build_loss(config: TrainConfig) -> Loss:
    if config.loss == "bce":
        return partial(binary_cross_entropy, smoothing=config.label_smoothing, threshold=config.bce_threshold)
    return partial(functional.cross_entropy, label_smoothing=config.label_smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float, threshold: float | None) -> Tensor:
    """One-vs-all, mean over images and classes (ResNet strikes back, arXiv 2110.00476).

    With a threshold every class whose share is above it counts as present, all others as absent, after smoothing.
    """
    if targets.dim() == 1:
        targets = functional.one_hot(targets, logits.shape[1])
    targets = targets.to(torch.float32) * (1 - smoothing) + smoothing / logits.shape[1]
    if threshold is not None:
        targets = (targets > threshold).to(torch.float32)
    return functional.binary_cross_entropy_with_logits(logits, targets)
