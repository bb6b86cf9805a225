"""The loss on the held-out batch, for conditions that watch it: measured after every step, and nothing is touched."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class HeldOut:
    """A fixed batch in parts of (normalised images [B, C, H, W], labels [B]) on the device of the models."""

    def __init__(self, parts: list[tuple[Tensor, Tensor]], autocast_dtype: torch.dtype | None) -> None:
        self.parts = parts
        self.images = sum(len(labels) for _, labels in parts)
        self._autocast_dtype = autocast_dtype

    @torch.no_grad()
    def loss(self, model: nn.Module) -> float:
        """Mean cross-entropy (nats per image) in eval mode: no buffer changes, no random number is drawn.

        Every module gets its own mode back. The host waits for the number.
        """
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        total = torch.stack([self._sum(model, images, labels) for images, labels in self.parts]).sum()
        for module, training in modes:
            module.training = training
        return float(total) / self.images

    def _sum(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, self._autocast_dtype, enabled=self._autocast_dtype is not None):
            logits = model(images)
        return functional.cross_entropy(logits.float(), labels, reduction="sum")
