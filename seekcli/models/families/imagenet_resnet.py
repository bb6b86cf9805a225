"""ImageNet ResNets (He et al. 2016): timm's ResNet-18/34 (two 3x3 convolutions a block) and 50/101/152 (bottlenecks).

Below 64 pixels the stem is a 3x3 convolution of stride 1 without max-pool, as usual on CIFAR; from 64 on it is the 7x7
one of stride 2 with max-pool. The family's usual initialisation is taken without zeroing the last BatchNorm scale of
each block (timm's default): that is `--init timm`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seekcli.models.family import Family, ModelSpec, Recipes, TimmForm

if TYPE_CHECKING:
    from torch import nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap
    from seekcli.models.added_blocks import Blocks

DEPTHS = (18, 34, 50, 101, 152)
BASIC_BLOCK_DEPTHS = (18, 34)  # the deeper ones have bottleneck blocks
STAGES = ("layer1", "layer2", "layer3", "layer4")
# A basic block's two 3x3 convolutions become the 3x3 and the last 1x1 of a bottleneck.
BASIC_TO_BOTTLENECK = {"conv1": "conv2", "bn1": "bn2", "conv2": "conv3", "bn2": "bn3"}
LARGE_STEM_FROM = 64


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    from torch import nn

    form = timm_form(spec, classes, channels, image_size)
    model = form.create(zero_init_last=False)
    if "conv1" in form.modules:
        nn.init.kaiming_normal_(model.get_parameter("conv1.weight"), mode="fan_out", nonlinearity="relu")
    return model


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm:
    arguments = {"num_classes": classes, "in_chans": channels}
    if image_size >= LARGE_STEM_FROM:
        return TimmForm(spec.name, arguments)
    sizes = {"in_channels": channels, "out_channels": 64, "kernel_size": 3, "stride": 1, "padding": 1}
    stem = {"type": "Conv2d", **sizes, "bias": False}
    return TimmForm(spec.name, arguments, {"conv1": stem, "maxpool": {"type": "Identity"}})


def stem_in_words(image_size: int) -> str:
    if image_size >= LARGE_STEM_FROM:
        return "7x7 convolution of stride 2, max-pool of stride 2"
    return "3x3 convolution of stride 1, no max-pool"


def partial(base: ModelSpec, motivated: ModelSpec) -> str | None:
    """A basic block has no counterpart for all its elements in a bottleneck (ResNet-18 in ResNet-50)."""
    basic = [spec.order in BASIC_BLOCK_DEPTHS for spec in (base, motivated)]
    return None if basic[0] == basic[1] else "the weights map is partial (basic blocks in bottlenecks)"


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    """Depth map, last block to last block; a basic base lies partly in a bottleneck model (coverage below 1)."""
    from seekcli.method.weights_map import block_renames, map_shapes

    renames = block_renames(list(base), list(motivated), STAGES, "last-to-last")
    if has_bottlenecks(base) or not has_bottlenecks(motivated):
        return map_shapes(base, motivated, rename=renames)

    def rename(name: str) -> str:
        found = re.fullmatch(r"(layer\d+\.\d+\.)(conv\d|bn\d)(\..+)", renames(name))
        return found[1] + BASIC_TO_BOTTLENECK[found[2]] + found[3] if found else renames(name)

    return map_shapes(base, motivated, rename=rename)


def has_bottlenecks(shapes: Shapes) -> bool:
    """A bottleneck block has three convolutions, a basic one two."""
    return any(name.endswith(".conv3.weight") for name in shapes)


def identity(pair: Pair) -> Pair:
    from seekcli.models.added_blocks import set_last_scale

    set_last_scale(pair.motivated, pair.weights_map.receivers, residual_blocks(), 0.0)
    return pair


def residual_blocks() -> Blocks:
    from timm.models.resnet import BasicBlock, Bottleneck

    from seekcli.models.added_blocks import Blocks

    return Blocks((BasicBlock, Bottleneck), ("bn3", "bn2"))


def zero_last_scales(model: nn.Module) -> None:
    """timm's own default (`zero_init_last`): every block's last BatchNorm scale starts at zero.

    The first copy overwrites the mapped ones, so the differential ones are left. Shifts start at zero anyway, so for a
    full map this equals the identity start; a bottleneck that holds a basic block has it in three channels of four.
    """
    from timm.models.resnet import BasicBlock, Bottleneck

    for module in model.modules():
        if isinstance(module, BasicBlock | Bottleneck):
            module.zero_init_last()


FAMILY = Family(
    name="resnet",
    models=tuple(ModelSpec(f"resnet{depth}", "resnet", depth, 224) for depth in DEPTHS),
    build=build,
    link=link,
    identity=identity,
    head="fc",
    stem="conv1.weight",
    stem_in_words=stem_in_words,
    recipes=Recipes("cifar-resnet", imagenet="imagenet-a3", given_weights="transfer"),
    partial=partial,
    only_deeper=True,
    residual_blocks=residual_blocks,
    timm=timm_form,
    timm_start=zero_last_scales,
    large_stem_from=LARGE_STEM_FROM,
)
