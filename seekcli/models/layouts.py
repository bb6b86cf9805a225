"""Layouts of models: names and shapes of their tensors, and their stages. The map of two of a family is made of them.

Those of the catalog's models are written down in known_layouts.json, so that `seek map` answers without torch. A test
of that name holds them to what is built; run as a program it writes them anew (`make known`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from seekcli.config.pair_settings import PairConfig, is_own_model
from seekcli.errors import BadInput
from seekcli.method.weights_map import Shape, Shapes, WeightsMap
from seekcli.models.catalog import check_image_size, family_of
from seekcli.models.family import Family

if TYPE_CHECKING:
    from torch import nn

FILE = "known_layouts.json"
# The tensors of a layer by its kind, in the order of a state_dict, each with the shape that it has beside a weight of
# shape (N, ...): as the weight, or (N,), or () for a counter. A single tensor is its own kind, and has its own name.
KINDS: dict[str, tuple[tuple[str, int | None], ...]] = {
    "tensor": (("", None),),
    "weight": ((".weight", None),),
    "weight+bias": ((".weight", None), (".bias", 1)),
    "batchnorm": (
        *((".weight", None), (".bias", 1), (".running_mean", 1), (".running_var", 1)),
        (".num_batches_tracked", 0),
    ),
}


@dataclass(frozen=True)
class Layout:
    """A model as `seek map` sees it: shapes by name in the order of its state_dict, and the names of its stages."""

    shapes: Shapes
    stages: tuple[str, ...]
    running_statistics: bool


def layout_of(model: nn.Module) -> Layout:
    from seekcli.method.pair import running_statistics
    from seekcli.method.weights_map import shapes_of
    from seekcli.models.costs import stage_prefixes

    return Layout(shapes_of(model), tuple(stage_prefixes(model)), bool(running_statistics(model)))


def known_layout(name: str, classes: int, channels: int, image_size: int) -> Layout | None:
    """None for a model that is not written down, or whose layout another release of timm may have changed.

    Raises BadInput for an image size that the model cannot be built for.
    """
    written = _written()
    if is_own_model(name) or name not in written["models"]:
        return None
    family = family_of(name)
    if family.timm is not None and installed_timm() != written["timm"]:
        return None
    check_image_size(name, image_size)
    sizes = sizes_of(family, classes, channels, image_size)
    model = written["models"][name]
    shapes = dict(tensor for line in model["layers"] for tensor in tensors_of_layer(line, sizes))
    has_statistics = any(line.split()[1] == "batchnorm" for line in model["layers"])
    return Layout(shapes, tuple(model["stages"]), has_statistics)


def sizes_of(family: Family, classes: int, channels: int, image_size: int) -> dict[str, int]:
    """What the words among the dimensions stand for: the data decides these. `stem`: pixels a side of its kernel."""
    sizes = {"classes": classes, "channels": channels, "side": image_size}  # of a text: tokens, those of a window
    if patch := family.patch_at(image_size):
        sizes |= {"patch": patch, "positions": 1 + (image_size // patch) ** 2}  # with the class token
    if family.large_stem_from is not None:
        sizes["stem"] = 7 if image_size >= family.large_stem_from else 3
    return sizes


def tensors_of_layer(line: str, sizes: dict[str, int]) -> Iterator[tuple[str, Shape]]:
    """Of `layer1.0.conv1 weight 16 16 3 3`: name, kind and the shape of the weight, numbers or words of `sizes`."""
    name, kind, *dimensions = line.split()
    shape = tuple(sizes[size] if size in sizes else int(size) for size in dimensions)
    yield from ((name + ending, shape[:kept]) for ending, kept in KINDS[kind])


def installed_timm() -> str | None:
    try:
        return metadata.version("timm")
    except metadata.PackageNotFoundError:
        return None


@cache
def _written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((resources.files("seekcli") / "models" / FILE).read_text(encoding="utf-8"))
    return found


def link_shapes(pair: PairConfig, base: Shapes, motivated: Shapes) -> WeightsMap:
    """The map between two models of the catalog. Raises BadInput where they do not nest."""
    try:
        return family_of(pair.base).link(base, motivated, pair.map)
    except ValueError as error:
        raise does_not_nest(pair, error) from None


def does_not_nest(pair: PairConfig, reason: ValueError) -> BadInput:
    return BadInput(f"{pair.base} does not nest in {pair.motivated}: {reason}")
