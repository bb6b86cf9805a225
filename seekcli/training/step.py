"""One optimizer update of ONE model: the same code for both roles and every schedule."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from seekcli.config import RunConfig

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Step:
    """Forward, loss, backward and update of one model with its own optimizer.

    `forward` and `update` are apart so that the loss can start its way to the host before backward is queued.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: RunConfig,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = scaler
        self._label_smoothing = config.train.label_smoothing
        self._autocast_dtype = AUTOCAST[config.runtime.precision]
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Images [B, C, H, W], labels [B] -> mean loss, a 0-d float32 tensor on the device."""
        with torch.autocast(images.device.type, self._autocast_dtype, enabled=self._autocast_dtype is not None):
            logits = self.model(images)
        return functional.cross_entropy(logits.float(), labels, label_smoothing=self._label_smoothing)

    def update(self, loss: Tensor, learning_rate: float) -> Tensor:
        """Backward and update. Returns the gradient's Euclidean norm: 0-d, unscaled, unclipped.

        An update whose gradient is not finite is skipped: by the fused kernel's flag on CUDA (no wait for the host), by
        a plain test elsewhere.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
        elif loss.device.type == "cuda":
            # Read by torch's fused optimizers: a nonzero flag leaves parameters and state as they are.
            self.optimizer.found_inf = (~torch.isfinite(norm)).float().reshape(1)  # type: ignore[attr-defined]
            self.optimizer.step()
        elif math.isfinite(norm.item()):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm


class Readback:
    """Brings 0-d tensors to the host without stalling the device: `start` queues the copy, `read` waits for it."""

    def __init__(self, device: torch.device, values: int) -> None:
        self._on_cuda = device.type == "cuda"
        self._buffer = torch.zeros(values, pin_memory=self._on_cuda)
        self._event = torch.cuda.Event() if self._on_cuda else None

    def start(self, *values: Tensor) -> None:
        stacked = torch.stack([value.detach().float() for value in values])
        self._buffer.copy_(stacked, non_blocking=self._on_cuda)
        if self._event is not None:
            self._event.record()

    def read(self) -> list[float]:
        if self._event is not None:
            self._event.synchronize()
        return [float(value) for value in self._buffer.tolist()]
