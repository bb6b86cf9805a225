"""The one evaluator, for both roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy (nats per image), top-1 accuracy in percent, number of images."""

    loss: float
    accuracy_percent: float
    images: int


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], autocast_dtype: torch.dtype | None = None
) -> Evaluation:
    """Evaluate in eval mode and put the training mode back. Everything accumulates on the device and is read once.

    `batches` yields normalised images [B, C, H, W] and labels [B]. Raises ValueError when it yields nothing.
    """
    was_training = model.training
    model.eval()
    totals: Tensor | None = None
    images_seen = 0
    for images, labels in batches:
        with torch.autocast(images.device.type, autocast_dtype, enabled=autocast_dtype is not None):
            logits = model(images)
        # Sums in double where the device has it (mps has not): a float cannot count every image of a large split.
        total_dtype = torch.float32 if images.device.type == "mps" else torch.float64
        loss = functional.cross_entropy(logits.float(), labels, reduction="none").to(total_dtype).sum()
        hits = (logits.argmax(dim=1) == labels).sum().to(total_dtype)
        batch_totals = torch.stack([loss, hits])
        totals = batch_totals if totals is None else totals + batch_totals
        images_seen += len(labels)
    model.train(was_training)
    if totals is None:
        raise ValueError("there is nothing to evaluate on")
    loss_sum, correct = totals.tolist()
    return Evaluation(loss_sum / images_seen, 100.0 * correct / images_seen, images_seen)
