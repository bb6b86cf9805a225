"""Batches of rows of numbers, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from seekcli.data.keys import generator_for
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.sets.dataset import Dataset
from seekcli.errors import BadInput


class RowBatches:
    """The batches of one run on its device: inputs float32 [B, ...] and targets [B, ...], all of them there once."""

    examples = "rows"

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        *,
        batch_size: int,
        eval_batch_size: int,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        """Raises BadInput when there is no batch to train on."""
        self.device, self.seed, self.eval_batch_size = device, seed, eval_batch_size
        self.train = on_device(dataset.train_images, dataset.train_labels, device)
        rows = len(self.train[1])
        self.bounds = batch_bounds(rows, batch_size, drop_last)
        if not self.bounds:
            raise BadInput(f"--batch-size {batch_size}: with train.drop_last, {rows} {self.examples} make no batch")
        self.to_evaluate = {"test": on_device(dataset.test_images, dataset.test_labels, device)}
        if dataset.validation_labels is not None:
            validation = on_device(dataset.validation_images, dataset.validation_labels, device)
            self.to_evaluate["validation"] = validation

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.to_evaluate)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.bounds)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.train[1]), generator=generator_for("order", self.seed, epoch)).to(self.device)
        for first, last in self.bounds[start:stop]:
            yield self.at(self.train, order[first:last])

    def evaluation(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        return self.in_order(self.to_evaluate[split])

    def held_out(self, dataset: Dataset) -> list[tuple[Tensor, Tensor]]:
        """What is held out, `eval_batch_size` at a time. Raises BadInput when the data set has none."""
        if dataset.holdout_labels is None:
            raise BadInput("data.holdout_images is 0: there is no held-out batch whose loss could be watched")
        return list(self.in_order(on_device(dataset.holdout_images, dataset.holdout_labels, self.device)))

    def in_order(self, rows: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for first in range(0, len(rows[1]), self.eval_batch_size):
            yield self.at(rows, slice(first, first + self.eval_batch_size))

    def at(self, rows: tuple[Tensor, Tensor], index: Tensor | slice) -> tuple[Tensor, Tensor]:
        inputs, targets = rows
        return inputs[index], targets[index]

    def for_statistics(self, batches: int) -> RowBatches:
        """The first `batches` of an epoch; all if it has fewer."""
        chosen = copy.copy(self)
        chosen.bounds = self.bounds[:batches]
        return chosen

    def close(self) -> None:
        """There is nothing to let go."""


def on_device(seen: object, following: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    assert isinstance(seen, Tensor)
    return seen.to(device), following.to(device)
