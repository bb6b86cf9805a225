"""The loss on the held-out batch, for conditions that watch it: measured after every step, and nothing is touched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seekcli.train.step import Loss


class HeldOut:
    """A fixed batch in parts of (normalised images [B, C, H, W], labels [B]) on the device of the models.

    Of a text: (tokens [B, T], tokens that follow [B, T]). `summed_loss` is that of the task.
    """

    def __init__(
        self, parts: list[tuple[Tensor, Tensor]], autocast_dtype: torch.dtype | None, summed_loss: Loss
    ) -> None:
        self.parts, self.summed_loss = parts, summed_loss
        self.targets = sum(labels.numel() for _, labels in parts)
        self.images = sum(len(labels) for _, labels in parts)
        self._autocast_dtype = autocast_dtype

    @torch.no_grad()
    def loss(self, model: nn.Module) -> float:
        """Mean cross-entropy (nats per image or token) in eval mode: no buffer changes, no random number is drawn.

        Every module gets its own mode back. The host waits for the number.
        """
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        total = torch.stack([self._sum(model, images, labels) for images, labels in self.parts]).sum()
        for module, training in modes:
            module.training = training
        return float(total) / self.targets

    def _sum(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(images.device.type, self._autocast_dtype, enabled=self._autocast_dtype is not None):
            logits = model(images)
        return self.summed_loss(logits.float(), labels)
