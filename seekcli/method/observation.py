"""What a motivation condition may see of a step: numbers, no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Observation:
    """A finished step. `epoch` and `batch` count from 0, the latter in its epoch of `batches`; losses are in nats.

    `gradient_norm` and `validation_loss` are measured for a condition that names them in its `needs`, else None. The
    norm is also None for a step whose update fp16's scaler skipped: its gradient was not finite.
    """

    epoch: int
    batch: int
    batches: int
    loss: float
    gradient_norm: float | None = None
    validation_loss: float | None = None

    @property
    def ends_epoch(self) -> bool:
        """Whether the next step starts an epoch: that one is the base's."""
        return self.batch + 1 == self.batches
