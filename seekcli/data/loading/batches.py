"""In which order: every batch, with its augmentation, is a pure function of (seed, epoch, step)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from seekcli.data.augment.augmentation import crop_and_flip
from seekcli.data.augment.augmentation_settings import AugmentationSettings
from seekcli.data.augment.augmenter import Augmenter, repeated
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.keys import generator_for
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.loading.resident import Resident
from seekcli.data.loading.shared_reading import SharedReading
from seekcli.data.loading.streaming import Streamed
from seekcli.data.sets.sources import Dataset
from seekcli.errors import BadInput
from seekcli.ranks import ALONE, Ranks

NOT_AUGMENTED = AugmentationSettings()


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

    def at_full_size(self) -> ImageStore:
        """The same images, those for training at the size of the others; both are closed together."""

    def close(self) -> None:
        """End what reads ahead."""


class Batches:
    """The batches of one run on its device: normalised float32 images [B, C, H, W] and int64 labels [B].

    Where images are mixed the targets are float32 [B, classes]: each image's share of each class.

    Of images in memory, one copy per epoch brings order, offsets and flips to the device; then nothing waits for it.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device,
        *,
        batch_size: int,
        eval_batch_size: int,
        augmentation: AugmentationSettings = NOT_AUGMENTED,
        seed: int = 0,
        train_size: int | None = None,
        drop_last: bool = False,
        workers: int = 0,
        channels_last: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        """`train_size` is pixels a side of training images, None for that of the test images.

        `seed` keys order and augmentation. `drop_last` leaves out what would be a smaller last batch. `workers`
        processes read images that stay on disk, and change no value; the `ranks` share that. Raises BadInput when there
        is no batch to train on.
        """
        self.seed, self.augment, self.train_size = seed, augmentation, train_size
        self.device = device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.bounds = training_bounds(dataset, batch_size, drop_last)
        self.eval_batch_size = eval_batch_size
        self.store = self.store_of(dataset, workers, ranks)
        self.classes, self.mean = dataset.facts.classes, dataset.mean
        self.augmenter = self.augmenter_after_store()
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
        chosen = copy.copy(self)
        chosen.bounds = self.bounds[:batches]
        chosen.augment = replace(self.augment, mixup_alpha=0.0, cutmix_alpha=0.0)
        chosen.train_size = None
        chosen.store = self.store.at_full_size()
        chosen.augmenter = chosen.augmenter_after_store()
        return chosen

    def store_of(self, dataset: Dataset, workers: int, ranks: Ranks) -> ImageStore:
        """Where the images come from: memory, or disk for a data set of files."""
        images, least_area = dataset.train_images, self.augment.resized_crop_area
        if isinstance(images, ImageFiles):
            store = Streamed(
                images, self.device, train_size=self.train_size, least_area=least_area, seed=self.seed, workers=workers
            )
            return SharedReading(store, ranks) if ranks.size > 1 else store
        return Resident(images, images_in_memory(dataset), self.device)

    def augmenter_after_store(self) -> Augmenter:
        """What is left to do to images; a random resized crop is not, where they were cut while they were decoded."""
        left = replace(self.augment, resized_crop_area=0.0) if self.store.crops_at_random else self.augment
        size = self.train_size or self.store.size
        return Augmenter(left, classes=self.classes, image_size=size, mean=self.mean, seed=self.seed)

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


def training_bounds(dataset: Dataset, batch_size: int, drop_last: bool) -> list[tuple[int, int]]:
    images = len(dataset.train_labels)
    if images < 2:
        raise BadInput(f"--data {dataset.facts.name}: {images} training images are too few to train on")
    bounds = batch_bounds(images, batch_size, drop_last)
    if not bounds:
        raise BadInput(f"--batch-size {batch_size}: with train.drop_last, {images} training images make no batch")
    return bounds


def images_in_memory(dataset: Dataset) -> int:
    splits = (dataset.train_images, dataset.test_images, dataset.validation_images)
    return sum(len(images) for images in splits if images is not None)


def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """[1, C, 1, 1]"""
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)
