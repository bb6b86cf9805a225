"""Made-up images, for speed and smoke runs: each class has a smooth pattern of its own under noise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seekcli.data.images.arrays import CHUNK_IMAGES, Arrays
from seekcli.data.keys import generator_for
from seekcli.data.sets.kind import DataFacts, NamedSet
from seekcli.data.splitting.splits import TEST_SPLIT, chosen_per_class, count_for_test
from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.config.settings import DataConfig

DEFAULT_IMAGES = 5000
FORM = "synthetic:CxHxW:CLASSES[:IMAGES]"
PATTERN_CELLS, PATTERN_LEVELS, NOISE_LEVELS = 4, 40.0, 50.0
FORM_AS_PATTERN = "synthetic:#x#x#:#(?::#)?".replace("#", r"(\d{1,9})")


@dataclass(frozen=True)
class Synthetic:
    """What `synthetic:CxHxW:CLASSES[:IMAGES]` asks for; `images` counts both splits."""

    channels: int
    image_size: int
    classes: int
    images: int

    @property
    def name(self) -> str:
        return f"synthetic:{self.channels}x{self.image_size}x{self.image_size}:{self.classes}:{self.images}"

    @property
    def test_images(self) -> int:
        return count_for_test(self.images)


def parse(text: str) -> Synthetic:
    """`synthetic:3x32x32:10` or `synthetic:3x32x32:10:5000`. Raises BadInput for another form or impossible counts."""
    match = re.fullmatch(FORM_AS_PATTERN, text, re.ASCII)
    if not match:
        raise BadInput(f"--data {text}: expected {FORM}, such as synthetic:3x32x32:10")
    channels, height, width, classes = (int(number) for number in match.groups()[:4])
    images = int(match[5]) if match[5] else max(DEFAULT_IMAGES, 5 * classes)
    if height != width:
        raise BadInput(f"--data {text}: images are square, {height}x{width} are not")
    if not channels or not height:
        raise BadInput(f"--data {text}: an image needs at least one channel and one pixel")
    if classes < 2:
        raise BadInput(f"--data {text}: needs at least 2 classes")
    if images < 2 * classes:
        raise BadInput(f"--data {text}: {classes} classes need at least {2 * classes} images")
    return Synthetic(channels, height, classes, images)


def generate(asked: Synthetic) -> Arrays:
    """The images, a pure function of what was asked for; image i is the same however many there are."""
    import torch

    labels = torch.arange(asked.images) % asked.classes
    patterns = class_patterns(asked)
    images = torch.empty((asked.images, asked.channels, asked.image_size, asked.image_size), dtype=torch.uint8)
    for start in range(0, asked.images, CHUNK_IMAGES):
        # A whole chunk is drawn even when its end is cut off: torch draws other numbers for other sizes.
        noise = torch.randn((CHUNK_IMAGES, *images.shape[1:]), generator=generator_for("synthetic noise", start))
        chunk = patterns[labels[start : start + CHUNK_IMAGES]]
        levels = chunk + NOISE_LEVELS * noise[: len(chunk)]
        images[start : start + CHUNK_IMAGES] = levels.round_().clamp_(0, 255)
    test = set(chosen_per_class(labels.tolist(), asked.test_images, "synthetic test"))
    is_test = torch.tensor([index in test for index in range(asked.images)])
    return Arrays(
        images[~is_test], labels[~is_test], images[is_test], labels[is_test],
        tuple(str(label) for label in range(asked.classes)), TEST_SPLIT,
    )  # fmt: skip


def class_patterns(asked: Synthetic) -> Tensor:
    """Mean image of each class, float [classes, C, H, W]: a coarse random grid, smoothly enlarged, around mid-grey."""
    import torch
    from torch.nn import functional

    cells = min(PATTERN_CELLS, asked.image_size)
    grid = torch.randn((asked.classes, asked.channels, cells, cells), generator=generator_for("synthetic patterns"))
    smooth = functional.interpolate(grid, (asked.image_size, asked.image_size), mode="bilinear", align_corners=False)
    return 127.5 + PATTERN_LEVELS * smooth


def synthetic_facts(data: DataConfig) -> DataFacts:
    asked = parse(data.name)
    train = asked.images - asked.test_images
    return DataFacts(asked.name, asked.classes, asked.channels, asked.image_size, train, asked.test_images)


SYNTHETIC = NamedSet(
    form=FORM,
    about="made-up images for speed and smoke runs, such as synthetic:3x32x32:10:5000",
    small_images=True,
    facts=synthetic_facts,
    read=lambda data, size, watcher: generate(parse(data.name)),
)
