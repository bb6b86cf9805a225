"""What happens to a training batch after pad-crop and flip, in which order, and all that is drawn for it.

Every draw is a pure function of (seed, epoch, step): not of what was drawn before, of workers or of a resume. On
pixels: random resized crop or shrinking, AutoAugment, RandAugment. After normalisation: erasing, Mixup or CutMix.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from seekcli.data.augment.augmentation_settings import AugmentationSettings
from seekcli.data.augment.blending import (
    ERASING_TRIES,
    clipped_erasing_boxes,
    cutmix,
    cutmix_box,
    erase,
    erasing_boxes,
    mixup,
    shares_of,
)
from seekcli.data.augment.crop_rule import LEAST_ASPECT, TRIES, random_box
from seekcli.data.images.arrays import resized
from seekcli.data.keys import generator_for, key_of


class Policy(Protocol):
    """A set of operations on pixels, of which each image gets what it draws."""

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 [B, 1 or 3, S, S] -> a new tensor of that shape; all that is drawn comes from `generator`."""


class Augmenter:
    """The augmentation of one run. Shapes: B images, C channels, S pixels a side, K classes."""

    def __init__(
        self,
        settings: AugmentationSettings,
        *,
        classes: int,
        image_size: int,
        mean: Sequence[float] = (0.5,),
        seed: int = 0,
    ) -> None:
        """`image_size` is that which training images come out at, in pixels a side.

        `mean` is the colour of the data, 0 to 1 a channel: it fills what some operations leave empty.
        """
        self.seed, self.augment, self.classes = seed, settings, classes
        self.size = image_size
        self.mixes = bool(self.augment.mixup_alpha or self.augment.cutmix_alpha)
        self.policies = policies(settings, image_size, mean)

    def pixels(self, images: Tensor, epoch: int, step: int) -> Tensor:
        """uint8 [B, C, S, S] -> uint8 [B, C, size, size]."""
        if self.augment.resized_crop_area:
            windows = self.windows(len(images), images.shape[-1], self.generator("resized-crop", epoch, step))
            images = resized_crop(images, windows.to(images.device, non_blocking=True), self.size)
        images = resized(images, self.size)
        for name, policy in self.policies.items():
            images = policy.apply(images, self.generator(name, epoch, step))
        return images

    def windows(self, images: int, side: int, generator: torch.Generator) -> Tensor:
        """Of a random resized crop of images of `side` pixels: float32 [images, 4], as `crop_windows` gives them."""
        least_area = self.augment.resized_crop_area
        if self.augment.resized_crop_rule == "clipped":
            return crop_windows(torch.rand((images, 4), generator=generator), least_area)
        draws = torch.rand((images, TRIES, 4), generator=generator, dtype=torch.float64).tolist()
        boxes = [random_box(side, side, least_area, own) for own in draws]
        return windows_of(torch.tensor(boxes, dtype=torch.float32), side)

    def values(self, images: Tensor, labels: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Normalised images and labels -> images, and targets: labels [B], or shares [B, K] where images are mixed."""
        if self.augment.erasing_probability:
            images = self.erased(images, epoch, step)
        if not self.mixes:
            return images, labels
        return self.mixed(images, shares_of(labels, self.classes), epoch, step)

    def erased(self, images: Tensor, epoch: int, step: int) -> Tensor:
        clipped, size = self.augment.erasing_rule == "clipped", images.shape[-1]
        draws = 1 + 4 * (1 if clipped else ERASING_TRIES)
        drawn = torch.rand((len(images), draws), generator=self.generator("erasing", epoch, step))
        tries = drawn[:, 1:]
        boxes = clipped_erasing_boxes(tries, size) if clipped else erasing_boxes(tries.view(len(images), -1, 4), size)
        boxes = boxes * (drawn[:, :1] < self.augment.erasing_probability)
        # A value for every pixel is drawn where it is needed: the device's own generator, keyed like all others.
        device_generator = torch.Generator(images.device)
        device_generator.manual_seed(key_of("erasing-noise", self.seed, epoch, step))
        noise = torch.randn(images.shape, generator=device_generator, device=images.device)
        return erase(images, boxes, noise.contiguous(memory_format=memory_format_of(images)))

    def mixed(self, images: Tensor, shares: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """One draw for the whole batch, as timm does it: Mixup or CutMix, half of the time each where both are on."""
        draw = random.Random(key_of("mixing", self.seed, epoch, step))
        cuts = not self.augment.mixup_alpha or (bool(self.augment.cutmix_alpha) and draw.random() < 0.5)
        alpha = self.augment.cutmix_alpha if cuts else self.augment.mixup_alpha
        kept = draw.betavariate(alpha, alpha)
        if not cuts:
            return mixup(images, shares, kept)
        return cutmix(images, shares, cutmix_box(kept, draw.random(), draw.random(), images.shape[-1]))

    def generator(self, purpose: str, epoch: int, step: int) -> torch.Generator:
        return generator_for(purpose, self.seed, epoch, step)


def repeated(order: Tensor, repeats: int) -> Tensor:
    """Repeated augmentation (Hoffer et al. 2020; as timm's on one device) for an epoch's order of images [N].

    The first 1/`repeats` of it, each image `repeats` times in a row: as many positions as before.
    """
    return order[: math.ceil(len(order) / repeats)].repeat_interleave(repeats)[: len(order)]


def policies(augment: AugmentationSettings, image_size: int, mean: Sequence[float]) -> dict[str, Policy]:
    """By name, those that are asked for. torchvision, which takes seconds to import, is loaded for them only."""
    found: dict[str, Policy] = {}
    if augment.autoaugment != "none":
        from seekcli.data.augment.distortion import AutoAugment

        found["autoaugment"] = AutoAugment(image_size)
    if augment.randaugment_ops:
        found["randaugment"] = rand_augment(augment, image_size, mean)
    return found


def rand_augment(augment: AugmentationSettings, image_size: int, mean: Sequence[float]) -> Policy:
    if augment.randaugment_policy == "timm":
        from seekcli.data.augment.randaugment import TimmRandAugment

        fill = [round(255 * value) for value in mean]
        return TimmRandAugment(augment.randaugment_ops, augment.randaugment_magnitude, fill)
    from seekcli.data.augment.distortion import RandAugment

    return RandAugment(augment.randaugment_ops, augment.randaugment_magnitude, image_size)


def crop_windows(drawn: Tensor, least_area: float) -> Tensor:
    """Uniform numbers [B, 4] -> windows [B, 4]: centre x, centre y, half width, half height, in -1..1 of the image.

    By the rule "clipped" the area is uniform from `least_area` to 1 and the aspect log-uniform from 3/4 to 4/3; a side
    longer than the image is cut to it, where torchvision draws again (`crop_rule.random_box`).
    """
    area = least_area + (1 - least_area) * drawn[:, 0]
    aspect = torch.exp(math.log(LEAST_ASPECT) * (1 - 2 * drawn[:, 1]))
    halves = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).clamp(max=1.0)
    return torch.cat([(2 * drawn[:, 2:] - 1) * (1 - halves), halves], dim=1)


def windows_of(boxes: Tensor, side: int) -> Tensor:
    """Boxes [B, 4] (left, top, right, bottom, in pixels of an image of `side`) -> windows [B, 4]."""
    first, last = boxes[:, :2], boxes[:, 2:]
    return torch.cat([(first + last) / side - 1, (last - first) / side], dim=1)


def resized_crop(images: Tensor, windows: Tensor, size: int) -> Tensor:
    """Cut a window out of each image and bring it to `size` pixels a side, bilinear. uint8 [B, C, size, size]."""
    theta = torch.zeros((len(images), 2, 3), device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = windows[:, 2], windows[:, 3]
    theta[:, :, 2] = windows[:, :2]
    grid = functional.affine_grid(theta, [len(images), images.shape[1], size, size], align_corners=False)
    sampled = functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return sampled.round_().clamp_(0, 255).to(torch.uint8)


def memory_format_of(images: Tensor) -> torch.memory_format:
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
