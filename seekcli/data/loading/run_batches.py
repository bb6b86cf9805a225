"""What the loop asks of the batches of a run, be they images or windows of a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor


class RunBatches(Protocol):
    """Every batch is what the model reads and what it is to say of it, on the device of the run.

    Each is a pure function of (seed, epoch, step). `to_evaluate` holds both of each split.
    """

    device: torch.device
    to_evaluate: dict[str, tuple[Any, Tensor]]

    @property
    def splits(self) -> tuple[str, ...]:
        """What there is to evaluate on."""

    @property
    def steps_per_epoch(self) -> int: ...

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of `epoch` from step `start` on, both 0-based, to before step `stop`."""

    def evaluation(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """One of `splits` in its own order."""

    def close(self) -> None:
        """End what reads ahead."""
