"""What kind of problem a run is: the loss that it trains with, and what is measured of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from seekcli.train.step import Loss

Pairs = Iterable[tuple[Tensor, Tensor]]  # what the model reads, and what it is to say of it


class Measured(Protocol):
    """What was measured of one model on one split."""

    @property
    def loss(self) -> float:
        """Mean over what is predicted."""

    @property
    def images(self) -> int:
        """Images, windows or rows that were looked at."""

    def columns(self) -> Mapping[str, float | None]:
        """Columns of epochs.parquet by their names without the split: `loss`, `accuracy_percent`."""


Measurements = dict[str, Measured]  # by split: "test", "validation"
Evaluate = Callable[[nn.Module, Pairs, torch.dtype | None, Callable[[int], None]], Measured]


@dataclass(frozen=True, kw_only=True)
class Task:
    """`loss` is the training loss of a batch; `summed_loss` is summed over all targets, for the held-out batch.

    `evaluate` takes a model, batches, the dtype of autocast and who is told how many images were taken so far. Of a
    task of somebody's own `own_metrics` are what it measures, and whether more of each is better; `loss_unit` is what
    its loss is in.
    """

    name: str
    loss: Loss
    summed_loss: Loss
    evaluate: Evaluate
    own_metrics: Mapping[str, bool] = field(default_factory=dict)
    loss_unit: str | None = None
