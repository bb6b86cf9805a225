"""RandAugment as timm does it and as DeiT and A3 name it: `rand-mM-nN-mstd0.5-inc1`, for a batch of uint8 images.

Fifteen operations, N of them in a row for each image, drawn uniformly and with replacement. Each takes place with
probability 0.5, at a magnitude of its own: normal about M with a deviation of 0.5, cut to 0..10. All of them change an
image more, the larger the magnitude is ("inc1").

What is drawn comes from a generator that the caller keys, on the host. Images that drew the same operation go through
it together, on their device, each at its own magnitude. Shapes: B images, C channels (1 or 3), S pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as pixels

PROBABILITY, MAGNITUDE_SD, LARGEST_MAGNITUDE = 0.5, 0.5, 10.0
# At the largest magnitude. An enhancement factor is 1 plus or minus the blend, and no less than LEAST_FACTOR.
MOST_SHEAR, MOST_SHIFT, MOST_DEGREES, MOST_BLEND, LEAST_FACTOR = 0.3, 0.45, 30.0, 0.9, 0.1
MOST_POSTERIZED_BITS, LEVELS, MOST_ADDED, ADDED_BELOW = 4, 256, 110, 128
PixelOperation = Callable[[Tensor, Tensor, Tensor], Tensor]


class Drawn(NamedTuple):
    """What one operation of each image is: int64, float32 and float32, all [B], on the host."""

    operation: Tensor  # place in OPERATIONS; len(OPERATIONS) where nothing takes place
    magnitude: Tensor  # 0 to 10
    sign: Tensor  # 1 or -1, for operations that have one


def warp(images: Tensor, linear: Tensor, shift: Tensor, fill: Tensor) -> Tensor:
    """The pixel at p shows the image at `linear` [B, 2, 2] p + `shift` [B, 2], counted in sides of the image.

    The origin is the upper left corner. Bicubic, as DeiT's; what lies outside the image shows `fill` [1, C, 1, 1].
    """
    # affine_grid counts from -1 to 1.
    offset = linear.sum(dim=2) - 1 + 2 * shift
    theta = torch.cat([linear, offset[:, :, None]], dim=2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    seen = functional.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(dim=3)[:, None]
    return torch.where(inside, seen, fill).round_().clamp_(0, 255).to(torch.uint8)


def shear(images: Tensor, amount: Tensor, fill: Tensor, axis: int) -> Tensor:
    """Along x (`axis` 0) or y (1), about the upper left corner."""
    linear = torch.eye(2, device=images.device).repeat(len(images), 1, 1)
    linear[:, axis, 1 - axis] = MOST_SHEAR * amount
    return warp(images, linear, torch.zeros_like(linear[:, 0]), fill)


def translate(images: Tensor, amount: Tensor, fill: Tensor, axis: int) -> Tensor:
    linear = torch.eye(2, device=images.device).repeat(len(images), 1, 1)
    shift = torch.zeros_like(linear[:, 0])
    shift[:, axis] = MOST_SHIFT * amount
    return warp(images, linear, shift, fill)


def rotate(images: Tensor, amount: Tensor, fill: Tensor) -> Tensor:
    """About the centre, counterclockwise."""
    angle = torch.deg2rad(MOST_DEGREES * amount)
    cosine, sine = angle.cos(), angle.sin()
    linear = torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)
    return warp(images, linear, 0.5 - linear.sum(dim=2) / 2, fill)


def enhance(images: Tensor, amount: Tensor, without: Callable[[Tensor], Tensor]) -> Tensor:
    """Blend with, or away from, the images that have nothing of what is enhanced (PIL's ImageEnhance)."""
    factor = (1 + MOST_BLEND * amount).clamp(min=LEAST_FACTOR)[:, None, None, None]
    blended = torch.lerp(without(images).float(), images.float(), factor)
    return blended.clamp_(0, 255).to(torch.uint8)  # PIL cuts the fraction off


def posterize(images: Tensor, amount: Tensor) -> Tensor:
    """Keep 4 bits down to none."""
    dropped = 8 - MOST_POSTERIZED_BITS + (MOST_POSTERIZED_BITS * amount).floor()
    step = torch.pow(2.0, dropped).to(torch.int16)[:, None, None, None]
    return (images - images % step).to(torch.uint8)


def solarize(images: Tensor, amount: Tensor) -> Tensor:
    """Invert what is at a threshold or above it: the lower the threshold, the more."""
    threshold = (LEVELS - (LEVELS * amount).floor())[:, None, None, None]
    return torch.where(images >= threshold, 255 - images, images)


def solarize_add(images: Tensor, amount: Tensor) -> Tensor:
    """Make the darker half of the levels brighter."""
    added = (MOST_ADDED * amount).floor()[:, None, None, None].to(torch.int16)
    return torch.where(images < ADDED_BELOW, (images + added).clamp(max=255).to(torch.uint8), images)


# By name: from images uint8 [B, C, S, S], amounts float32 [B] in -1..1 (negative for half of those with a sign) and the
# colour that fills what is empty, float32 [1, C, 1, 1].
SIGNED: dict[str, PixelOperation] = {
    "Rotate": rotate,
    "Color": lambda images, amount, _: enhance(images, amount, lambda own: pixels.adjust_saturation(own, 0.0)),
    "Contrast": lambda images, amount, _: enhance(images, amount, lambda own: pixels.adjust_contrast(own, 0.0)),
    "Brightness": lambda images, amount, _: enhance(images, amount, torch.zeros_like),
    "Sharpness": lambda images, amount, _: enhance(images, amount, lambda own: pixels.adjust_sharpness(own, 0.0)),
    "ShearX": lambda images, amount, fill: shear(images, amount, fill, axis=0),
    "ShearY": lambda images, amount, fill: shear(images, amount, fill, axis=1),
    "TranslateX": lambda images, amount, fill: translate(images, amount, fill, axis=0),
    "TranslateY": lambda images, amount, fill: translate(images, amount, fill, axis=1),
}
UNSIGNED: dict[str, PixelOperation] = {
    "AutoContrast": lambda images, *_: pixels.autocontrast(images),
    "Equalize": lambda images, *_: pixels.equalize(images),
    "Invert": lambda images, *_: pixels.invert(images),
    "Posterize": lambda images, amount, _: posterize(images, amount),
    "Solarize": lambda images, amount, _: solarize(images, amount),
    "SolarizeAdd": lambda images, amount, _: solarize_add(images, amount),
}
OPERATIONS: dict[str, PixelOperation] = SIGNED | UNSIGNED


class TimmRandAugment:
    """`operations` in a row for each image, at magnitudes about `magnitude` (0 to 10)."""

    def __init__(self, operations: int, magnitude: float, fill: Sequence[float]) -> None:
        """`fill` is the colour of what moves into an image, 0 to 255 a channel: timm takes the data's mean."""
        self.operations, self.magnitude = operations, magnitude
        self.fill = torch.tensor(fill).view(1, -1, 1, 1)

    def draw(self, images: int, generator: torch.Generator) -> list[Drawn]:
        """What is done to a batch, one operation of each image after the other."""
        shape = (self.operations, images)
        chosen = torch.randint(len(OPERATIONS), shape, generator=generator)
        happens = torch.rand(shape, generator=generator) < PROBABILITY
        magnitude = self.magnitude + MAGNITUDE_SD * torch.randn(shape, generator=generator)
        sign = 1.0 - 2.0 * torch.randint(2, shape, generator=generator)
        operation = torch.where(happens, chosen, len(OPERATIONS))
        return [Drawn(*each) for each in zip(operation, magnitude.clamp(0, LARGEST_MAGNITUDE), sign, strict=True)]

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A new tensor, uint8 [B, 1 or 3, S, S]."""
        images = images.clone()
        fill = self.fill.to(images.device, non_blocking=True)
        for drawn in self.draw(len(images), generator):
            change(images, drawn, fill)
        return images


def change(images: Tensor, drawn: Drawn, fill: Tensor) -> None:
    """Do to each image, in place, what it drew. Counting is done on the host: nothing waits for the device."""
    order = torch.argsort(drawn.operation, stable=True)
    counts = torch.bincount(drawn.operation, minlength=len(OPERATIONS) + 1).tolist()
    places, magnitudes, signs = (
        each[order].to(images.device, non_blocking=True).split(counts)
        for each in (torch.arange(len(images)), drawn.magnitude, drawn.sign)
    )
    for name, own, magnitude, sign in zip(OPERATIONS, places, magnitudes, signs, strict=False):
        if len(own):
            amount = magnitude / LARGEST_MAGNITUDE
            amount = amount * sign if name in SIGNED else amount
            images[own] = OPERATIONS[name](images[own], amount, fill)
