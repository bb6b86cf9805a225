"""Vision transformers (Dosovitskiy et al. 2021) tiny, small and base: timm's, 12 blocks deep, heads of 64 channels.

A larger one is wider alone. D: width (192, 384, 768). The patch follows the image size: 16 pixels at 224, 4 at 32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seekcli.models.family import Family, ModelSpec, Recipes, TimmForm

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap

SIZES = ("tiny", "small", "base")
PATCHES = ((128, 16), (64, 8), (16, 4), (0, 2))

# The layers of a block that write the residual stream, and those that read a stream or a hidden layer.
WRITERS = ("attn.proj", "mlp.fc2")
READERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    return timm_form(spec, classes, channels, image_size).create()


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm:
    arguments = {"num_classes": classes, "in_chans": channels, "img_size": image_size}
    name = f"{spec.name}_patch16_224".replace("-", "_")
    return TimmForm(name, arguments | {"patch_size": FAMILY.patch_at(image_size)})


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    """Leading slices. `aligned` slices q, k and v each, so heads stay heads (64 channels in every size).

    `leading` takes the first rows of the fused tensor: base keys and values land among motivated queries and keys.
    """
    from seekcli.method.weights_map import fused, leading, map_shapes

    regions = fused(3, r"attn\.qkv\.") if map_name == "aligned" else leading
    return map_shapes(base, motivated, regions=regions)


def identity(pair: Pair) -> Pair:
    """Equal logits after the first copy: the base's residual stream is repeated, and nothing reads the repetition.

    Plain zeros would not do: LayerNorm runs over the wider vector. Over whole repetitions its mean and variance are the
    base's own. Needs the aligned map. Raises ValueError when the width is no multiple of the base's.
    """
    from seekcli.method.pair import Pair

    models: Any = (pair.base, pair.motivated)
    width, wide = (int(model.embed_dim) for model in models)
    if wide % width:
        raise ValueError(f"an identity start needs a width that is a multiple of the base's: {wide} is none of {width}")
    return Pair(pair.base, pair.motivated, pair.weights_map, after_copy_up=lambda model: repeat_stream(model, width))


def repeat_stream(model: Any, width: int) -> None:
    """Write the first `width` channels of the residual stream again into the others, and zero what reads the others."""
    import torch

    with torch.no_grad():
        write_repeated(model, width)


def write_repeated(model: Any, width: int) -> None:
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


FAMILY = Family(
    name="vit",
    models=tuple(ModelSpec(f"vit-{size}", "vit", order, 224) for order, size in enumerate(SIZES)),
    build=build,
    link=link,
    identity=identity,
    head="head",
    stem="patch_embed.proj.weight",
    stem_in_words=lambda image_size: None,
    recipes=Recipes("cifar-vit", small_images="small-vit", given_weights="transfer"),
    maps={"aligned": None, "leading": "--map leading puts the base's keys among the motivated model's queries"},
    timm=timm_form,
    patches=PATCHES,
    running_statistics=False,
    channels_last=False,
)
