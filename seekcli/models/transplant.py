"""Weights from elsewhere into a fresh model: all of it but the head, which belongs to other classes.

The source has the same architecture. What its images decide is fitted where that keeps its meaning: the position
embedding of a transformer is interpolated to the new grid, and a first convolution that was trained on three channels
is adapted to any number (timm's rule: summed for one channel, repeated and scaled for more). A stem of another kernel,
or another patch, is bad input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput
from seekcli.method.pair import Pair, link_views
from seekcli.method.weights_map import tensors_of
from seekcli.models.catalog import family_of

POSITIONS = "pos_embed"
COLOURS = 3


@dataclass(frozen=True)
class SourceWeights:
    """What a run starts from: tensors by name, for each model by its name. `label` is what a message calls them."""

    label: str
    models: Mapping[str, Mapping[str, Tensor]]


def is_head(name: str, tensor: str) -> bool:
    """Whether `tensor` belongs to the classifier of the model called `name`."""
    return tensor.startswith(f"{family_of(name).head}.")


@torch.no_grad()
def transplant(model: nn.Module, name: str, tensors: Mapping[str, Tensor], label: str) -> None:
    """Write all of `tensors` but the head into the fresh model called `name`, in place; its own head stays.

    Raises BadInput, naming what does not fit and what would.
    """
    own = {key: tensor for key, tensor in model.state_dict().items() if not is_head(name, key)}
    given = {key: tensor for key, tensor in tensors.items() if not is_head(name, key)}
    # Older files do not hold how many batches a normalisation has seen; nothing computed depends on it.
    odd = sorted(key for key in own.keys() ^ given.keys() if not key.endswith("num_batches_tracked"))
    if odd:
        where = "is missing from it" if odd[0] in own else f"is not in {name}"
        raise BadInput(f"{label} does not fit {name}: {odd[0]} {where} ({len(odd)} tensors differ)")
    fitted = {key: fit(key, given[key], own[key], name, label) for key in sorted(own.keys() & given.keys())}
    for key, tensor in fitted.items():
        own[key].copy_(tensor)


def fit(key: str, given: Tensor, own: Tensor, name: str, label: str) -> Tensor:
    """The given tensor in the shape of our own. Raises BadInput where that would be another thing."""
    if given.shape == own.shape:
        return given
    stem = family_of(name).stem
    if key == POSITIONS and given.dim() == own.dim() == 3 and given.shape[-1] == own.shape[-1]:
        return resampled_positions(given, own)
    if key == stem and given.shape[0] == own.shape[0]:
        return fit_stem(given, own, name, label)
    shapes = f"{key} is {tuple(given.shape)}, not {tuple(own.shape)}"
    raise BadInput(f"{label} does not fit {name}: {shapes}")


def resampled_positions(given: Tensor, own: Tensor) -> Tensor:
    """[1, 1 + old grid, D] -> [1, 1 + new grid, D]: bicubic over the grid, the class token's as it is."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    side = round((own.shape[1] - 1) ** 0.5)
    return resample_abs_pos_embed(given, new_size=[side, side], num_prefix_tokens=1)


def fit_stem(given: Tensor, own: Tensor, name: str, label: str) -> Tensor:
    """First convolutions [out, channels, k, k] of one kernel: three channels become any number."""
    if given.shape[2:] != own.shape[2:]:
        raise BadInput(f"{label} {other_kernel(given.shape[-1], own.shape[-1], name)}")
    if given.shape[1] != COLOURS:
        wrong = f"takes images of {given.shape[1]} channels, the data has {own.shape[1]}"
        raise BadInput(f"{label} {wrong}: only weights for {COLOURS} channels can be adapted")
    from timm.models import adapt_input_conv

    return adapt_input_conv(own.shape[1], given)


def other_kernel(given: int, own: int, name: str) -> str:
    """What is wrong between two stems that different image sizes gave one architecture, and which sizes are right."""
    family = family_of(name)
    if family.patches:
        patches = [patch for _, patch in family.patches]
        index = patches.index(given) if given in patches else 0
        smallest = max(family.patches[index][0], given)
        sizes = f"{smallest} or more" if index == 0 else f"{smallest} to {family.patches[index - 1][0] - given}"
        return f"has patches of {given} px, {name} has {own} px at this image size: use --image-size {sizes}"
    shapes = f"has a {given}x{given} stem, {name} has {own}x{own} at this image size"
    if family.large_stem_from is None:
        return shapes
    sizes = f"{family.large_stem_from} or more" if given > own else f"below {family.large_stem_from}"
    return f"{shapes}: use --image-size {sizes}"


@torch.no_grad()
def carve_base(pair: Pair, base: str) -> None:
    """The base takes its region of the motivated model, buffers included and its own head excepted.

    So that it starts from what the motivated model was given, which the first switch would otherwise overwrite.
    """
    small, large = tensors_of(pair.base), tensors_of(pair.motivated)
    for link in pair.weights_map.links:
        if not is_head(base, link.base):
            target, source = link_views(link, small[link.base], large[link.motivated])
            target.copy_(source)
