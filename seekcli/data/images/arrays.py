"""Images and labels in memory, and what can be asked of any of them: another size, a subset, channel statistics."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seekcli.data.images.image_files import ImageFiles
from seekcli.errors import BadInput, human_bytes

if TYPE_CHECKING:
    from torch import Tensor

CHUNK_IMAGES = 1024
Watcher = Callable[[int, int], None]  # is told how many of how many image files are decoded


def unwatched(done: int, total: int) -> None:
    """For whoever does not ask how far the decoding is."""


@dataclass(frozen=True)
class Arrays:
    """Both splits: images uint8 [N, C, H, W], labels int64 [N], the class of each label, and who chose the splits.

    Images that are streamed from disk are `ImageFiles` instead.
    """

    train_images: Tensor | ImageFiles
    train_labels: Tensor
    test_images: Tensor | ImageFiles
    test_labels: Tensor
    class_names: tuple[str, ...]
    split: str

    def at_size(self, size: int) -> Arrays:
        """The same images, `size` pixels a side."""
        assert not isinstance(self.train_images, ImageFiles)
        assert not isinstance(self.test_images, ImageFiles)
        return replace(self, train_images=resized(self.train_images, size), test_images=resized(self.test_images, size))

    def with_training_images(self, chosen: Sequence[int], split: str) -> Arrays:
        """Only these training images, in this order; the test images stay."""
        import torch

        index = torch.tensor(chosen, dtype=torch.int64)
        return replace(self, train_images=self.train_images[index], train_labels=self.train_labels[index], split=split)

    def without_test_images(self) -> Arrays:
        """The same training images, and a test split that is empty."""
        return replace(self, test_images=self.test_images[:0], test_labels=self.test_labels[:0])


def resized(images: Tensor, size: int) -> Tensor:
    """Square images uint8 [N, C, H, H] at [N, C, size, size]: bilinear, antialiased when it shrinks."""
    import torch
    from torch.nn import functional

    if images.shape[-1] == size:
        return images
    out = images.new_empty((*images.shape[:2], size, size))
    for source, target in zip(images.split(CHUNK_IMAGES), out.split(CHUNK_IMAGES), strict=True):
        smooth = functional.interpolate(source.float(), (size, size), mode="bilinear", antialias=True)
        target.copy_(smooth.round_().clamp_(0, 255).to(torch.uint8))
    return out


def channel_stats(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and population standard deviation per channel of images uint8 [N, C, H, W], scaled to 0..1.

    From sums of whole numbers, so that they are equal on every machine. A channel without any contrast has deviation 1:
    normalised, it is zero everywhere.
    """
    total = images.numel() // images.shape[1]
    means, deviations = [], []
    for first, second in level_sums(images):
        means.append(first / total / 255)
        deviations.append(math.sqrt(second * total - first * first) / total / 255 or 1.0)
    return tuple(means), tuple(deviations)


def level_sums(images: Tensor) -> list[tuple[int, int]]:
    """Per channel, the sum of the levels 0..255 and the sum of their squares; exact.

    256 x 255^2 < 2^24: the sum over a row that short is a whole number that float32 holds, in whichever order it is
    added up. All rows together stay below 2^53 for any set that fits in memory.
    """
    import torch

    dtype = torch.float32 if images.shape[-1] <= 256 else torch.float64
    sums = torch.zeros((2, images.shape[1]), dtype=torch.float64)
    for chunk in images.split(CHUNK_IMAGES // 4):  # small enough for the processor's cache
        levels = chunk.to(dtype)
        sums[0] += levels.sum(3).double().sum((0, 2))
        sums[1] += levels.square_().sum(3).double().sum((0, 2))
    return [(int(first), int(second)) for first, second in sums.T.tolist()]


def require_memory(what: str, images: int, channels: int, image_size: int, or_else: str = "") -> None:
    """Raise BadInput when the images, one byte per pixel and channel, are more than this machine's memory."""
    needed_bytes = images * channels * image_size**2
    has_bytes = memory_bytes()
    if has_bytes is not None and needed_bytes > has_bytes:
        raise BadInput(
            f"{what}: {images:,} images at {image_size}x{image_size} need {human_bytes(needed_bytes)} of memory, this "
            f"machine has {human_bytes(has_bytes)}; a smaller --image-size helps{or_else}"
        )


def memory_bytes() -> int | None:
    """Physical memory, or None where the system does not say (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
