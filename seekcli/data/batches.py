"""In which order: every batch, with its augmentation, is a pure function of (seed, epoch, step)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seekcli.config import RunConfig
from seekcli.data.augmentation import crop_and_flip
from seekcli.data.keys import generator_for
from seekcli.data.sources import Dataset
from seekcli.errors import BadInput

# The share of a GPU's free memory that the training images may take; a larger set stays in the host's memory.
RESIDENT_SHARE = 0.5


def batch_bounds(images: int, batch_size: int, drop_last: bool) -> list[tuple[int, int]]:
    """[(start, stop), ...] of an epoch's batches over `images` positions.

    A remainder of one image joins the batch before it (BatchNorm cannot train on one value per channel); `drop_last`
    leaves out a remainder of any size.
    """
    full, remainder = divmod(images, batch_size)
    bounds = [(step * batch_size, (step + 1) * batch_size) for step in range(full)]
    if drop_last or not remainder:
        return bounds
    if remainder == 1 and bounds:
        return [*bounds[:-1], (bounds[-1][0], images)]
    return [*bounds, (full * batch_size, images)]


class Batches:
    """The batches of one run on its device: normalised float32 images [B, C, H, W] and int64 labels [B].

    Images are kept as uint8 on the device (in the host's memory where they would take more than half of what a GPU has
    free; the batches are equal). One copy per epoch brings order, offsets and flips there; then nothing waits for it.
    """

    def __init__(self, dataset: Dataset, config: RunConfig, device: torch.device, channels_last: bool = False) -> None:
        """Raises BadInput when there is no batch to train on."""
        self.seed, self.augment = config.seed, config.augment
        self.device = device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.bounds = training_bounds(dataset, config)
        self.eval_batch_size = config.train.eval_batch_size
        home = home_of(dataset, device)
        self.train_images, self.test_images = dataset.train_images.to(home), dataset.test_images.to(home)
        self.train_labels, self.test_labels = dataset.train_labels.to(device), dataset.test_labels.to(device)
        # (value / 255 - mean) / std, as one subtraction and one multiplication
        self.shift = 255.0 * per_channel(dataset.mean, device)
        self.scale = 1.0 / (255.0 * per_channel(dataset.std, device))

    @property
    def steps_per_epoch(self) -> int:
        return len(self.bounds)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of `epoch` from step `start` on, both 0-based: a resume goes on with the same ones."""
        images = len(self.train_labels)
        order = torch.randperm(images, generator=generator_for("order", self.seed, epoch))
        labels = self.train_labels[order.to(self.device)]
        order = order.to(self.train_images.device)
        offsets, flips = (drawn.to(self.device) for drawn in self.draw(epoch, images))
        for first, stop in self.bounds[start:]:
            batch = self.train_images[order[first:stop]].to(self.device, non_blocking=True)
            if self.augment.crop_padding or self.augment.flip:
                batch = crop_and_flip(batch, offsets[first:stop], flips[first:stop], self.augment.crop_padding)
            yield self.normalise(batch), labels[first:stop]

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The test images in their own order, not augmented, `eval_batch_size` at a time."""
        images = self.test_images.split(self.eval_batch_size)
        for batch, labels in zip(images, self.test_labels.split(self.eval_batch_size), strict=True):
            yield self.normalise(batch.to(self.device, non_blocking=True)), labels

    def draw(self, epoch: int, images: int) -> tuple[Tensor, Tensor]:
        """Crop offsets int64 [images, 2] and flips bool [images] by position in the epoch, on the CPU.

        Each has a generator of its own, so that asking for flips changes no crop. What is not asked for is not random.
        """
        padding = self.augment.crop_padding
        offsets = torch.randint(0, 2 * padding + 1, (images, 2), generator=generator_for("crop", self.seed, epoch))
        flips = torch.rand(images, generator=generator_for("flip", self.seed, epoch)) < 0.5
        return offsets, flips if self.augment.flip else torch.zeros_like(flips)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float32 in the memory layout, by the training set's mean and deviation per channel."""
        values = images.to(torch.float32, memory_format=self.memory_format)
        return values.sub_(self.shift).mul_(self.scale)


def training_bounds(dataset: Dataset, config: RunConfig) -> list[tuple[int, int]]:
    images = len(dataset.train_labels)
    if images < 2:
        raise BadInput(f"--data {config.data.name}: {images} training images are too few to train on")
    bounds = batch_bounds(images, config.train.batch_size, config.train.drop_last)
    if not bounds:
        size = config.train.batch_size
        raise BadInput(f"--batch-size {size}: with train.drop_last, {images} training images make no batch")
    return bounds


def home_of(dataset: Dataset, device: torch.device) -> torch.device:
    """Where the uint8 images live: on the device, unless they would crowd a GPU."""
    if device.type != "cuda":
        return device
    needed_bytes = dataset.train_images.numel() + dataset.test_images.numel()
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return device if needed_bytes <= RESIDENT_SHARE * free_bytes else torch.device("cpu")


def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """[1, C, 1, 1]"""
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)
