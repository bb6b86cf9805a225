"""In which order: every batch, with its augmentation, is a pure function of (seed, epoch, step)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from seekcli.config.schema import RunConfig
from seekcli.data.augment.augmentation import crop_and_flip
from seekcli.data.augment.augmenter import Augmenter, repeated
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.keys import generator_for
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.loading.resident import Resident
from seekcli.data.loading.streaming import Streamed
from seekcli.data.sets.sources import Dataset
from seekcli.errors import BadInput


class ImageStore(Protocol):
    """The images of a run, uint8 [B, C, S, S] on its device: from memory (resident.py) or from disk (streaming.py)."""

    size: int
    crops_at_random: bool

    def keep(self, images: Any) -> Any:
        """Keep these images, of the kind this was made for, where they are quickly had."""

    def training(self, order: Tensor, epoch: int, bounds: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
        """The training images at these places of an epoch's order, batch by batch."""

    def unaugmented(self, images: Any, batch_size: int) -> Iterator[Tensor]:
        """These images in their own order, as they are evaluated on."""

    def for_config(self, config: RunConfig) -> ImageStore:
        """The same images at the training size of another config; both are closed together."""

    def close(self) -> None:
        """End what reads ahead."""


class Batches:
    """The batches of one run on its device: normalised float32 images [B, C, H, W] and int64 labels [B].

    Where images are mixed the targets are float32 [B, classes]: each image's share of each class.

    Of images in memory, one copy per epoch brings order, offsets and flips to the device; then nothing waits for it.
    """

    def __init__(self, dataset: Dataset, config: RunConfig, device: torch.device, channels_last: bool = False) -> None:
        """Raises BadInput when there is no batch to train on."""
        self.config, self.seed, self.augment = config, config.seed, config.augment
        self.device = device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.bounds = training_bounds(dataset, config)
        self.eval_batch_size = config.train.eval_batch_size
        self.store = store_of(dataset, config, device)
        self.classes, self.mean = dataset.facts.classes, dataset.mean
        self.augmenter = augmenter_after(self.store, config, self.classes, self.mean)
        test_images = self.store.keep(dataset.test_images)
        self.train_labels, self.test_labels = dataset.train_labels.to(device), dataset.test_labels.to(device)
        self.to_evaluate = {"test": (test_images, self.test_labels)} if len(self.test_labels) else {}
        if dataset.validation_images is not None and dataset.validation_labels is not None:
            self.to_evaluate["validation"] = (
                self.store.keep(dataset.validation_images),
                dataset.validation_labels.to(device),
            )
        # (value / 255 - mean) / std, as one subtraction and one multiplication
        self.shift = 255.0 * per_channel(dataset.mean, device)
        self.scale = 1.0 / (255.0 * per_channel(dataset.std, device))

    @property
    def splits(self) -> tuple[str, ...]:
        """What there is to evaluate on: test, validation where a run has such a split, over a fold validation alone."""
        return tuple(self.to_evaluate)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.bounds)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of `epoch` from step `start` on, both 0-based: a resume goes on with the same ones.

        `stop` ends a shorter epoch before this step; its batches are those that the whole epoch begins with.
        """
        images = len(self.train_labels)
        order = torch.randperm(images, generator=generator_for("order", self.seed, epoch))
        order = repeated(order, self.augment.repeats)
        labels = self.train_labels[order.to(self.device)]
        offsets, flips = (drawn.to(self.device) for drawn in self.draw(epoch, images))
        for step, batch in enumerate(self.store.training(order, epoch, self.bounds[start:stop]), start):
            first, last = self.bounds[step]
            if self.augment.crop_padding or self.augment.flip:
                batch = crop_and_flip(batch, offsets[first:last], flips[first:last], self.augment.crop_padding)
            batch = self.augmenter.pixels(batch, epoch, step)
            yield self.augmenter.values(self.normalise(batch), labels[first:last], epoch, step)

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The test images in their own order, not augmented, `eval_batch_size` at a time."""
        return self.evaluation("test")

    def evaluation(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The images of one of `splits` in their own order, not augmented, `eval_batch_size` at a time."""
        images, labels = self.to_evaluate[split]
        return self.unaugmented(images, labels)

    def held_out(self, dataset: Dataset) -> list[tuple[Tensor, Tensor]]:
        """The held-out images as the test images are: not augmented, `eval_batch_size` at a time, on the device.

        Raises BadInput when the data set has none.
        """
        if dataset.holdout_images is None or dataset.holdout_labels is None:
            raise BadInput("data.holdout_images is 0: there is no held-out batch whose loss could be watched")
        return list(self.unaugmented(dataset.holdout_images, dataset.holdout_labels.to(self.device)))

    def unaugmented(self, images: Any, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.store.unaugmented(images, self.eval_batch_size)
        for batch, own in zip(batches, labels.split(self.eval_batch_size), strict=True):
            yield self.normalise(batch), own

    def for_statistics(self, batches: int) -> Batches:
        """The first `batches` of an epoch (all if it has fewer), not mixed, at the size of the test images.

        All other augmentation and every draw is that of training; images in memory are shared.
        """
        data = self.config.data.model_copy(update={"train_size": None})
        augment = self.config.augment.model_copy(update={"mixup_alpha": 0.0, "cutmix_alpha": 0.0})
        config = self.config.model_copy(update={"data": data, "augment": augment})
        chosen = copy.copy(self)
        chosen.bounds = self.bounds[:batches]
        chosen.store = self.store.for_config(config)
        chosen.augmenter = augmenter_after(chosen.store, config, self.classes, self.mean)
        return chosen

    def close(self) -> None:
        """End what reads ahead: a run that is over, one way or another, leaves no process behind."""
        self.store.close()

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


def store_of(dataset: Dataset, config: RunConfig, device: torch.device) -> ImageStore:
    """Where the images of a run come from: memory, or disk for a data set of files."""
    if isinstance(dataset.train_images, ImageFiles):
        return Streamed(dataset.train_images, config, device)
    others = (dataset.test_images, dataset.validation_images)
    count = len(dataset.train_images) + sum(len(images) for images in others if images is not None)
    return Resident(dataset.train_images, count, device)


def augmenter_after(store: ImageStore, config: RunConfig, classes: int, mean: tuple[float, ...]) -> Augmenter:
    """What is left to do to images; a random resized crop is not, where they were cut while they were decoded."""
    if store.crops_at_random:
        augment = config.augment.model_copy(update={"resized_crop_area": 0.0})
        config = config.model_copy(update={"augment": augment})
    return Augmenter(config, classes, store.size, mean)


def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """[1, C, 1, 1]"""
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)
