"""Images on disk that the processes of one run read together: each decodes its part of a batch, all get the whole.

What is drawn for a batch, and what mixes its images, then sees the batch that one process would.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from seekcli.data.loading.streaming import Streamed
from seekcli.errors import AgreedFailure, RunFailed
from seekcli.ranks import Ranks


class SharedReading:
    """A `Streamed` store of which training images alone are read together; the others are read here."""

    def __init__(self, store: Streamed, ranks: Ranks) -> None:
        self.store, self.ranks = store, ranks
        self.size, self.crops_at_random = store.size, store.crops_at_random

    def keep(self, images: Any) -> Any:
        return self.store.keep(images)

    def training(self, order: Tensor, epoch: int, bounds: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
        """As `Streamed.training`. Raises AgreedFailure in every process where one finds a broken image."""
        parts = [parts_of(first, stop, self.ranks.size) for first, stop in bounds]
        own = [each[self.ranks.rank] for each in parts]
        reading = self.store.training(order, epoch, [part for part in own if part[1] > part[0]])
        for each, (first, stop) in zip(parts, own, strict=True):
            images, problem = self.empty(), None
            try:
                images = next(reading) if stop > first else images
            except RunFailed as error:
                problem = str(error)
            if self.ranks.any([problem is not None])[0]:
                raise AgreedFailure(next(words for words in self.ranks.from_each(problem) if words))
            yield self.ranks.gathered(images, [last - begin for begin, last in each])

    def empty(self) -> Tensor:
        return torch.empty((0, 3, self.size, self.size), dtype=torch.uint8, device=self.store.device)

    def unaugmented(self, images: Any, batch_size: int) -> Iterator[Tensor]:
        return self.store.unaugmented(images, batch_size)

    def at_full_size(self) -> Streamed:
        """Statistics are estimated anew in the first process alone: it reads all of their images."""
        return self.store.at_full_size()

    def close(self) -> None:
        self.store.close()


def parts_of(first: int, stop: int, size: int) -> list[tuple[int, int]]:
    """Nearly equal ones, one for each of `size` processes; empty ones where there are fewer images."""
    edges = [first + (stop - first) * part // size for part in range(size + 1)]
    return list(itertools.pairwise(edges))
