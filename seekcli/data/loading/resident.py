"""Images that fit in memory: what `streaming.Streamed` is for those that are read from disk batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

# The share of a GPU's free memory that the images may take; a larger set stays in the host's memory.
RESIDENT_SHARE = 0.5


class Resident:
    """Images uint8 [N, C, S, S] on the device, or in the host's memory where they would crowd a GPU.

    Batches come on the device either way, and are equal.
    """

    crops_at_random = False

    def __init__(self, train_images: Tensor, images_in_all: int, device: torch.device) -> None:
        self.device = device
        self.kept_on = device_to_keep_on(images_in_all * train_images.shape[1:].numel(), device)
        self.train_images = self.keep(train_images)
        self.size = train_images.shape[-1]

    def keep(self, images: Tensor) -> Tensor:
        """The images where they are to be kept."""
        return images.to(self.kept_on)

    def training(self, order: Tensor, epoch: int, bounds: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
        """The images at these places of an epoch's order, batch by batch."""
        order = order.to(self.kept_on)
        for first, stop in bounds:
            yield self.train_images[order[first:stop]].to(self.device, non_blocking=True)

    def unaugmented(self, images: Tensor, batch_size: int) -> Iterator[Tensor]:
        """These images in their own order."""
        for batch in images.split(batch_size):
            yield batch.to(self.device, non_blocking=True)

    def at_full_size(self) -> Resident:
        """These: a training size is made of them batch by batch."""
        return self

    def close(self) -> None:
        """There is nothing to let go."""


def device_to_keep_on(needed_bytes: int, device: torch.device) -> torch.device:
    """Where uint8 images live: on the device, unless they would crowd a GPU."""
    if device.type != "cuda":
        return device
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return device if needed_bytes <= RESIDENT_SHARE * free_bytes else torch.device("cpu")
