"""MACs of one image's forward pass that were counted once, in known_macs.json.

They are read without torch, so that a grid of thousands of points is planned in seconds. A test of this file's name
holds them to what is counted, and writes them anew where it is run as a program.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources

from seekcli.models.catalog import MODELS, family_of

FILE = "known_macs.json"
Shape = tuple[int, int, int]  # channels, height, width
# The shapes of digits, CIFAR and synthetic images; of the other data sets at the sizes of the recipes.
SMALL: tuple[Shape, ...] = ((1, 8, 8), (3, 16, 16), (3, 32, 32))
USUAL = ("resnet18", "resnet34", "resnet50", "resnet101", "vit-tiny", "vit-small", "efficientnet-b0")
LARGE: tuple[Shape, ...] = ((3, 160, 160), (3, 224, 224))


def known_macs(name: str, classes: int, image_size: int, shape: Shape) -> int | None:
    """None for what was not counted, and where a model built for `image_size` is another one than that of `shape`."""
    found = _counted().get(key_of(name, shape))
    if found is None or not is_same_model(name, image_size, shape[1]):
        return None
    body, per_class = found
    return body + per_class * classes


def is_same_model(name: str, *image_sizes: int) -> bool:
    """Whether a model that is built for one of these sizes is that of the other."""
    family = family_of(name)
    same_stem = len({size >= (family.large_stem_from or 0) for size in image_sizes}) == 1
    return len(set(image_sizes)) == 1 or (not family.patches and same_stem)


@cache
def _counted() -> dict[str, tuple[int, int]]:
    """MACs of all but the head, and those of the head for each class."""
    found: dict[str, tuple[int, int]] = json.loads(
        (resources.files("seekcli") / "models" / FILE).read_text(encoding="utf-8")
    )
    return found


def key_of(name: str, shape: Shape) -> str:
    return f"{name} {'x'.join(map(str, shape))}"


def counted_cases() -> Iterator[tuple[str, Shape]]:
    """What is written down: small images for the models designed for such, two sizes for the usual ones of others."""
    for spec in MODELS.values():
        shapes = SMALL if spec.image_size <= SMALL[-1][1] else LARGE if spec.name in USUAL else ()
        yield from ((spec.name, shape) for shape in shapes)
