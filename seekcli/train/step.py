"""One optimizer update of ONE model: the same code for both roles and every schedule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekcli.ranks import ALONE, Ranks
from seekcli.train.synchronised_batchnorm import SynchronisedBatchNorm

Loss = Callable[[Tensor, Tensor], Tensor]  # what the model gave, in float32, and the targets -> mean loss, 0-d
AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Step:
    """Forward, loss, backward and update of one model with its own optimizer.

    Each batch is taken in `micro_batches` parts, of which each of the `ranks` takes its share; the gradient is that of
    the whole batch's mean loss in all of them. `clip_norm` bounds the gradient's norm. `autocast_dtype` is that of the
    forward pass, None for float32. With `batchnorm` its statistics are those of all shares together.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss,
        *,
        micro_batches: int = 1,
        clip_norm: float | None = None,
        autocast_dtype: torch.dtype | None = None,
        scaler: torch.amp.GradScaler | None = None,
        ranks: Ranks = ALONE,
        batchnorm: SynchronisedBatchNorm | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = scaler
        self._loss = loss
        self._micro_batches = micro_batches
        self._clip_norm = clip_norm
        self._autocast_dtype = autocast_dtype
        self._ranks, self._batchnorm = ranks, batchnorm
        # A fused optimizer skips the update itself, on the device; the others need to be told by the host.
        self._fused = bool(optimizer.defaults.get("fused"))
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def take(
        self, images: Tensor, targets: Tensor, learning_rate: float, loss_known: Callable[[Tensor], None]
    ) -> Tensor:
        """One update on images [B, C, H, W] and targets [B] or [B, classes], in micro-batches that fit in memory.

        `loss_known` is called once with the mean loss over the batch (0-d, float32, detached) when the last forward
        pass is queued, so that the loss can start its way to the host before the last backward. Returns the gradient's
        Euclidean norm: 0-d, unscaled, unclipped. Raises LostProcess where another process of the run is gone.
        """
        total: Tensor | None = None
        bounds = micro_batch_bounds(len(images), self._micro_batches)
        for first, stop in bounds:
            share = share_of(first, stop, self._ranks)
            loss = self.forward(images[share.first : share.stop], targets[share.first : share.stop], share.images)
            # The gradient of the batch's mean loss is the sum over its parts, each with its share of the images.
            loss = loss * (share.images / len(images)) if share.images < len(images) else loss
            total = loss.detach() if total is None else total + loss.detach()
            if stop == len(images):
                loss_known(self._ranks.summed(total))
            (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        self._ranks.sum_gradients(self._parameters)
        return self._update(learning_rate)

    def forward(self, images: Tensor, targets: Tensor, counted: int) -> Tensor:
        """Mean loss, a 0-d float32 tensor on the device. BatchNorm counts that many of the images: all, or none."""
        statistics = self._batchnorm.counting(counted > 0) if self._batchnorm is not None else nullcontext()
        autocast = torch.autocast(
            images.device.type, self._autocast_dtype, enabled=self._autocast_dtype is not None
        )
        with autocast, statistics:
            logits = self.model(images)
        return self._loss(logits.float(), targets)

    def _update(self, learning_rate: float) -> Tensor:
        """Apply the gradients that are there, and drop them. Returns their norm before clipping.

        An update whose gradient is not finite is skipped: by the fused kernel's flag (no wait for the host), by the
        scaler under fp16, by a plain test elsewhere.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group.get("lr_factor", 1.0)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        if self._clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self._clip_norm, norm, foreach=True)
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        elif self._fused:
            # Read by torch's fused optimizers: a nonzero flag leaves parameters and state as they are.
            self.optimizer.found_inf = (~torch.isfinite(norm)).float().reshape(1)  # type: ignore[attr-defined]
            self.optimizer.step()
        elif math.isfinite(norm.item()):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm


def micro_batch_bounds(images: int, parts: int) -> list[tuple[int, int]]:
    """[(start, stop), ...]: `parts` nearly equal ones, fewer where one would hold a single image (BatchNorm)."""
    parts = max(1, min(parts, images // 2))
    edges = [images * part // parts for part in range(parts + 1)]
    return list(itertools.pairwise(edges))


@dataclass(frozen=True)
class Share:
    """What one process takes of a micro-batch: the images from `first` to before `stop`, of which `images` count."""

    first: int
    stop: int
    images: int


def share_of(first: int, stop: int, ranks: Ranks) -> Share:
    """Nearly equal and contiguous ones, none of a single image (BatchNorm).

    Where there are fewer than two images for each process, the last ones go through the first share too and count none:
    all of them make the same calls, and wait for each other in them.
    """
    parts = micro_batch_bounds(stop - first, ranks.size)
    idle = ranks.rank >= len(parts)
    own = parts[0 if idle else ranks.rank]
    return Share(first + own[0], first + own[1], 0 if idle else own[1] - own[0])


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
