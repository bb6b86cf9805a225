"""What happened in an epoch, update by update: part of a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class EpochLog:
    """What happened since the epoch began: one entry per update, and the counters at its start.

    `batches` are the batches of the updates, from 0: in a growing run a batch has an update of either model.
    """

    roles: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    switches_before: int = 0
    copied_bytes_before: int = 0
    seconds: float = 0.0

    def mean_loss(self, role: str) -> float | None:
        """Mean training loss per image over the steps of this role; None when it took none."""
        taken = [
            (loss, images)
            for loss, images, who in zip(self.losses, self.images, self.roles, strict=True)
            if who == role
        ]
        total = sum(images for _, images in taken)
        return math.fsum(loss * images for loss, images in taken) / total if total else None

    def images_of_last_batch(self) -> int:
        """Of all its updates: in a growing run there may be two."""
        updates = zip(self.batches[-2:], self.images[-2:], strict=True)
        return sum(images for batch, images in updates if batch == self.batches[-1])

    def images_of(self, role: str) -> int:
        return sum(images for images, who in zip(self.images, self.roles, strict=True) if who == role)
