"""MACs of one image's forward pass that were counted once, in known_macs.json.

They are read without torch, so that a grid of thousands of points is planned in seconds and `seek flops` answers at
once. A test of this file's name holds them to what is counted, and writes them anew where it is run as a program.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from seekcli.models.catalog import MODELS, family_of
from seekcli.models.conventions import FACTOR, ModelCost, check_convention

FILE = "known_macs.json"
Shape = tuple[int, ...]  # channels, height, width; tokens of a window of text
# The shapes of digits, CIFAR and synthetic images; of the other data sets at the sizes of the recipes.
SMALL: tuple[Shape, ...] = ((1, 8, 8), (3, 16, 16), (3, 32, 32))
LARGE: tuple[Shape, ...] = ((3, 160, 160), (3, 224, 224))
WINDOW: tuple[Shape, ...] = ((128,),)  # of the recipe for texts
HEAD = "classifier"  # the stage that grows with the number of classes


def known_macs(name: str, classes: int, image_size: int, shape: Shape) -> int | None:
    """None for what was not counted, and where a model built for `image_size` is another one than that of `shape`."""
    cost = known_cost(name, classes, image_size, shape)
    return None if cost is None else cost.per_image


def known_cost(name: str, classes: int, image_size: int, shape: Shape, convention: str = "macs") -> ModelCost | None:
    """What `models.costs.forward_cost` counts of a model that is built for `image_size`; None as in `known_macs`.

    Raises BadInput for a convention that does not exist or is not defined for the model; of the paper's none is known.
    """
    check_convention(name, convention)
    found = _counted().get(key_of(name, shape))
    if convention == "paper" or found is None or not is_same_model(name, image_size, shape[-1]):
        return None
    macs = {**found["stages"], HEAD: found["stages"][HEAD] + found["per_class"] * classes}
    return ModelCost(name, convention, shape, {stage: FACTOR[convention] * count for stage, count in macs.items()})


def is_same_model(name: str, *image_sizes: int) -> bool:
    """Whether a model that is built for one of these sizes is that of the other."""
    family = family_of(name)
    same_stem = len({size >= (family.large_stem_from or 0) for size in image_sizes}) == 1
    return len(set(image_sizes)) == 1 or (not family.patches and same_stem)


@cache
def _counted() -> dict[str, dict[str, Any]]:
    """MACs of the stages without those of the head, and of the head for each class."""
    found: dict[str, dict[str, Any]] = json.loads(
        (resources.files("seekcli") / "models" / FILE).read_text(encoding="utf-8")
    )
    return found


def key_of(name: str, shape: Shape) -> str:
    return f"{name} {'x'.join(map(str, shape))}"


def counted_cases() -> Iterator[tuple[str, Shape]]:
    """What is written down: the models designed for small images at such sizes, the others at large ones too."""
    for spec in MODELS.values():
        small = spec.image_size <= SMALL[-1][1]
        shapes = SMALL if small else (*SMALL, *LARGE)
        if family_of(spec.name).reads_text:
            shapes = WINDOW
        yield from ((spec.name, shape) for shape in shapes)
