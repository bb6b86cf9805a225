"""Vision transformers (Dosovitskiy et al. 2021) tiny, small and base: timm's, 12 blocks deep, heads of 64 channels.

D: width (192, 384, 768). The patch follows the image size (catalog.patch_pixels): 16 pixels at 224, 4 at 32.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, build_map, fused, leading
from seekcli.models.catalog import ModelSpec, check_image_size
from seekcli.models.family import Family
from seekcli.models.timm_form import timm_form

# The layers of a block that write the residual stream, and those that read a stream or a hidden layer.
WRITERS = ("attn.proj", "mlp.fc2")
READERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]. Raises BadInput if the patch does not divide."""
    check_image_size(spec.name, image_size)
    form = timm_form(spec, classes, channels, image_size)
    assert form is not None
    return timm.create_model(form.name, **form.arguments)


def link(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    """Leading slices. `aligned` slices q, k and v each, so heads stay heads (64 channels in every size).

    `leading` takes the first rows of the fused tensor: base keys and values land among motivated queries and keys.
    """
    regions = fused(3, r"attn\.qkv\.") if map_name == "aligned" else leading
    return build_map(base, motivated, regions=regions)


def identity(pair: Pair) -> Pair:
    """Equal logits after the first copy: the base's residual stream is repeated, and nothing reads the repetition.

    Plain zeros would not do: LayerNorm runs over the wider vector. Over whole repetitions its mean and variance are the
    base's own. Needs the aligned map. Raises ValueError when the width is no multiple of the base's.
    """
    models: Any = (pair.base, pair.motivated)
    width, wide = (int(model.embed_dim) for model in models)
    if wide % width:
        raise ValueError(f"an identity start needs a width that is a multiple of the base's: {wide} is none of {width}")
    return Pair(pair.base, pair.motivated, pair.weights_map, after_copy_up=lambda model: repeat_stream(model, width))


@torch.no_grad()
def repeat_stream(model: Any, width: int) -> None:
    """Write the first `width` channels of the residual stream again into the others, and zero what reads the others."""
    repeats = model.embed_dim // width
    for tensor in (model.cls_token, model.pos_embed):
        repeat(tensor, tensor.dim() - 1, width, repeats)
    writers = [model.patch_embed.proj]
    for block in model.blocks:
        modules = dict(block.named_modules())
        writers += [modules[name] for name in WRITERS]
        for name in READERS:
            weight = modules[name].weight
            weight[:, weight.shape[1] // repeats :].zero_()
    for writer in writers:
        repeat(writer.weight, 0, width, repeats)
        repeat(writer.bias, 0, width, repeats)
    model.head.weight[:, width:].zero_()


def repeat(tensor: Tensor, dimension: int, width: int, repeats: int) -> None:
    first = tensor.narrow(dimension, 0, width)
    for index in range(1, repeats):
        tensor.narrow(dimension, index * width, width).copy_(first)


FAMILY = Family(build, link, identity)
