"""Images that are read from disk batch by batch: what `batches.Resident` is for images that fit in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import torch
from torch import Tensor

from seekcli.data.augment.crop_rule import CropRule, ImageRequest
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.loading.workers import read_ahead

# What a worker reads at a time: few enough that all share the work of a batch and that they end soon when told to.
PIECE_IMAGES = 64
BATCHES_AHEAD = 2


class Streamed:
    """Images uint8 [B, 3, S, S] on the device, decoded as they are needed.

    Training images come cut already where the recipe asks for a random resized crop; each is a pure function of
    (seed, epoch, position in the epoch). Without such a crop they show what test images show.
    """

    def __init__(
        self,
        train_images: ImageFiles,
        device: torch.device,
        *,
        train_size: int | None = None,
        least_area: float = 0.0,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        """`train_size` is pixels a side of training images, None for that of the others.

        `least_area` is the least share of an image that a random resized crop takes, 0 for no such crop. `workers`
        processes decode, and change no value.
        """
        self.train_images, self.train_paths = train_images, train_images.located()
        self.device, self.workers = device, workers
        self.size = train_size or train_images.size
        self.train_rule = CropRule(
            size=self.size,
            centre=train_images.centre,
            least_area=least_area,
            seed=seed,
            grey_bits=train_images.grey_bits,
            fit=train_images.fit,
        )
        self.crops_at_random = self.train_rule.least_area > 0
        self.readings: list[Generator[Tensor, None, None]] = []

    def keep(self, images: ImageFiles) -> ImageFiles:
        """They stay where they are."""
        return images

    def training(self, order: Tensor, epoch: int, bounds: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
        """The images at these places of an epoch's order, batch by batch; no others are read."""

        def requests(first: int, stop: int) -> list[ImageRequest]:
            chosen = zip(order[first:stop].tolist(), range(first, stop), strict=True)
            return [ImageRequest(self.train_paths[index], epoch, position) for index, position in chosen]

        return self.batches(self.train_rule, requests, bounds)

    def unaugmented(self, images: ImageFiles, batch_size: int) -> Iterator[Tensor]:
        """These images in their own order."""
        paths = images.located()
        bounds = [(first, min(first + batch_size, len(paths))) for first in range(0, len(paths), batch_size)]
        rule = CropRule(images.size, images.centre, grey_bits=images.grey_bits, fit=images.fit)
        return self.batches(rule, lambda first, stop: [ImageRequest(path, 0, 0) for path in paths[first:stop]], bounds)

    def batches(
        self, rule: CropRule, requests: Callable[[int, int], list[ImageRequest]], bounds: Sequence[tuple[int, int]]
    ) -> Iterator[Tensor]:
        pieces = [pieces_of(*bound) for bound in bounds]
        ahead = BATCHES_AHEAD * max((len(batch) for batch in pieces), default=0)
        wanted = (requests(*piece) for batch in pieces for piece in batch)
        with closing(read_ahead(rule, wanted, self.workers, ahead, self.device.type == "cuda")) as reading:
            self.readings.append(reading)
            for batch in pieces:
                parts = [next(reading).to(self.device, non_blocking=True) for _ in batch]
                yield torch.cat(parts).permute(0, 3, 1, 2).contiguous()

    def at_full_size(self) -> Streamed:
        """The same images, those for training decoded at the size of the others; both are closed together."""
        other = copy.copy(self)
        other.size = self.train_images.size
        other.train_rule = replace(self.train_rule, size=other.size)
        return other

    def close(self) -> None:
        """End all reading, and the worker processes with it."""
        while self.readings:
            self.readings.pop().close()


def pieces_of(first: int, stop: int) -> list[tuple[int, int]]:
    return [(start, min(start + PIECE_IMAGES, stop)) for start in range(first, stop, PIECE_IMAGES)]
