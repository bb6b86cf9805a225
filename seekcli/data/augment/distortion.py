"""RandAugment and AutoAugment for a whole batch of uint8 images, through torchvision's own operations.

What is drawn comes from a generator that the caller keys, on the host; images that drew the same operation at the same
magnitude go through it together, on their device. Sign of a magnitude: half of the time each, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional as pixels

# What moves into the image is the grey of the AutoAugment paper.
GREY = [128.0]
MOST_SHEAR, MOST_TRANSLATION, MOST_DEGREES, MOST_BLEND = 0.3, 150 / 331, 30.0, 0.9
OperationChoice = tuple[str, float]  # an operation's name and its magnitude, in the operation's own unit


def affine(images: Tensor, move: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Shear is in tangents, about the upper left corner; a translation moves by whole pixels."""
    return pixels.affine(
        images,
        angle=0.0,
        translate=list(move),
        scale=1.0,
        shear=[math.degrees(math.atan(tangent)) for tangent in shear],
        interpolation=InterpolationMode.BILINEAR,
        fill=GREY,
        center=[0.0, 0.0] if any(shear) else None,
    )


def rotate_by(images: Tensor, degrees: float) -> Tensor:
    return pixels.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR, fill=GREY)


DISTORTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Identity": lambda images, _: images,
    "ShearX": lambda images, tangent: affine(images, shear=(tangent, 0.0)),
    "ShearY": lambda images, tangent: affine(images, shear=(0.0, tangent)),
    "TranslateX": lambda images, columns: affine(images, move=(int(columns), 0)),
    "TranslateY": lambda images, rows: affine(images, move=(0, int(rows))),
    "Rotate": rotate_by,
    "Brightness": lambda images, change: pixels.adjust_brightness(images, 1 + change),
    "Color": lambda images, change: pixels.adjust_saturation(images, 1 + change),
    "Contrast": lambda images, change: pixels.adjust_contrast(images, 1 + change),
    "Sharpness": lambda images, change: pixels.adjust_sharpness(images, 1 + change),
    "Posterize": lambda images, bits: pixels.posterize(images, int(bits)),
    "Solarize": lambda images, level: pixels.solarize(images, 255.0 * level),
    "AutoContrast": lambda images, _: pixels.autocontrast(images),
    "Equalize": lambda images, _: pixels.equalize(images),
    "Invert": lambda images, _: pixels.invert(images),
}
RANDAUGMENT = tuple(name for name in DISTORTIONS if name != "Invert")
SIGNED_NAMES = (
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
)


def magnitude_of(name: str, strength: float, image_size: int) -> float:
    """The magnitude of an operation at a strength of 0 to 1 of the usual ranges; 0 for those that have none."""
    by_name = {
        **dict.fromkeys(("ShearX", "ShearY"), MOST_SHEAR * strength),
        **dict.fromkeys(("TranslateX", "TranslateY"), MOST_TRANSLATION * image_size * strength),
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), MOST_BLEND * strength),
        "Rotate": MOST_DEGREES * strength,
        "Posterize": float(round(8 - 4 * strength)),
        "Solarize": 1.0 - strength,
    }
    return by_name.get(name, 0.0)


class RandAugment:
    """`operations` of torchvision's fourteen in a row, uniformly drawn, all at one magnitude (Cubuk et al. 2019).

    The magnitude is 0 to 10 of torchvision's ranges. This is stronger than timm's RandAugment at the same magnitude
    (randaugment.py), which leaves each operation out half of the time.
    """

    def __init__(self, operations: int, magnitude: float, image_size: int) -> None:
        self.operations = operations
        strengths = [(name, magnitude_of(name, magnitude / 10, image_size)) for name in RANDAUGMENT]
        self.choices: list[OperationChoice] = [
            (name, sign * value) for name, value in strengths for sign in signs(name)
        ]

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return distort(images, self.choices, self.draw(len(images), generator))

    def draw(self, images: int, generator: torch.Generator) -> list[Tensor]:
        """One int64 [images] per operation in a row: indices into `choices`, on the host."""
        shape = (self.operations, images)
        # Two entries each, the sign among them: every operation is as likely as any other.
        return list(torch.randint(len(self.choices), shape, generator=generator))


class AutoAugment:
    """The CIFAR-10 policy of Cubuk et al. (2018): one of 25 sub-policies for each image, of two operations each."""

    def __init__(self, image_size: int) -> None:
        steps = [step for policy in CIFAR10_POLICY for step in policy]
        self.choices: list[OperationChoice] = [("Identity", 0.0)]
        self.choices += [
            (name, sign * magnitude_of(name, (level or 0) / 9, image_size))
            for name, _, level in steps
            for sign in signs(name)
        ]
        self._probabilities = torch.tensor([probability for _, probability, _ in steps]).view(-1, 2)

    def apply(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return distort(images, self.choices, self.draw(len(images), generator))

    def draw(self, images: int, generator: torch.Generator) -> list[Tensor]:
        """Two int64 [images], indices into `choices`: what is drawn first, and what second; 0 where nothing happens."""
        policy = torch.randint(len(CIFAR10_POLICY), (images,), generator=generator)
        happens = torch.rand((images, 2), generator=generator) < self._probabilities[policy]
        sign = torch.randint(2, (images, 2), generator=generator)
        choice = 1 + 2 * (2 * policy[:, None] + torch.arange(2)) + sign
        return list(torch.where(happens, choice, 0).T)


def signs(name: str) -> tuple[float, float]:
    return (1.0, -1.0) if name in SIGNED_NAMES else (1.0, 1.0)


def distort(images: Tensor, choices: list[OperationChoice], drawn: list[Tensor]) -> Tensor:
    """Do to each image what it drew, one tensor of `drawn` after the other. A new tensor, uint8 [B, 1 or 3, H, W]."""
    images = images.clone()
    for chosen in drawn:
        places: dict[OperationChoice, list[int]] = {}
        for place, pick in enumerate(chosen.tolist()):
            places.setdefault(choices[pick], []).append(place)
        places.pop(("Identity", 0.0), None)
        for (name, magnitude), alike in places.items():
            index = torch.tensor(alike).to(images.device, non_blocking=True)
            images[index] = DISTORTIONS[name](images[index], magnitude)
    return images


# (operation, probability, magnitude of 0 to 9) twice: appendix A of arXiv 1805.09501, as torchvision has it.
SubPolicy = tuple[tuple[str, float, int | None], tuple[str, float, int | None]]
CIFAR10_POLICY: tuple[SubPolicy, ...] = (
    (("Invert", 0.1, None), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, None), ("Equalize", 0.9, None)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, None), ("Equalize", 0.5, None)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, None), ("AutoContrast", 0.4, None)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, None)),
    (("Equalize", 0.2, None), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.2, None), ("Equalize", 0.6, None)),
    (("Color", 0.9, 9), ("Equalize", 0.6, None)),
    (("AutoContrast", 0.8, None), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, None)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, None), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, None), ("Invert", 0.1, None)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, None)),
)
