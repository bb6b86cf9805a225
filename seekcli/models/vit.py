"""Vision transformers (Dosovitskiy et al. 2021) tiny, small and base: timm's, 12 blocks deep, heads of 64 channels.

D: width (192, 384, 768). The patch follows the image size: 16 pixels from 128 on, 8 from 64 on, 4 from 16 on, else 2.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, build_map, fused, leading
from seekcli.models.catalog import ModelSpec
from seekcli.models.family import Family

PATCHES = ((128, 16), (64, 8), (16, 4), (0, 2))  # (smallest image, patch), pixels a side
# The layers of a block that write the residual stream, and those that read a stream or a hidden layer.
WRITERS = ("attn.proj", "mlp.fc2")
READERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def patch_size(image_size: int) -> int:
    return next(patch for smallest, patch in PATCHES if image_size >= smallest)


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]. Raises ValueError if the patch does not divide."""
    patch = patch_size(image_size)
    if image_size % patch:
        raise ValueError(f"the image size must be a multiple of the patch, {patch} pixels at this size")
    name = f"{spec.name.replace('-', '_')}_patch16_224"
    return timm.create_model(name, img_size=image_size, patch_size=patch, in_chans=channels, num_classes=classes)


def link(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    """Leading slices. `aligned` slices q, k and v each; `leading` takes the first rows of the fused tensor."""
    regions = fused(3, r"attn\.qkv\.") if map_name == "aligned" else leading
    return build_map(base, motivated, regions=regions)


def identity(pair: Pair) -> Pair:
    """Equal logits after the first copy: the base's residual stream is repeated, and nothing reads the repetition.

    Plain zeros would not do: LayerNorm runs over the wider vector. Over whole repetitions its mean and variance are the
    base's own. Raises ValueError when the width is no multiple of the base's.
    """
    models: Any = (pair.base, pair.motivated)
    width, wide = (int(model.embed_dim) for model in models)
    if wide % width:
        raise ValueError(f"an identity start needs a width that is a multiple of the base's: {wide} is none of {width}")
    return Pair(pair.base, pair.motivated, pair.weights_map, entry=lambda model: repeat_stream(model, width))


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
