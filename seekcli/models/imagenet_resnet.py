"""ImageNet ResNets (He et al. 2016): timm's ResNet-18/34 (two 3x3 convolutions a block) and 50/101/152 (bottlenecks).

Below 64 pixels the stem is a 3x3 convolution of stride 1 without max-pool, as usual on CIFAR; from 64 on it is the 7x7
one of stride 2 with max-pool. The family's usual initialisation is taken without zeroing the last BatchNorm scale of
each block (timm's default): that is `--init timm`.
"""

from __future__ import annotations

import re

import timm
from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, block_renames, build_map, shapes_of
from seekcli.models.added_blocks import Blocks, set_last_scale
from seekcli.models.catalog import ModelSpec
from seekcli.models.family import Family
from seekcli.models.timm_form import timm_form

STAGES = ("layer1", "layer2", "layer3", "layer4")
BLOCKS = Blocks((BasicBlock, Bottleneck), ("bn3", "bn2"))
# A basic block's two 3x3 convolutions become the 3x3 and the last 1x1 of a bottleneck.
BASIC_TO_BOTTLENECK = {"conv1": "conv2", "bn1": "bn2", "conv2": "conv3", "bn2": "bn3"}


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    form = timm_form(spec, classes, channels, image_size)
    assert form is not None
    model = timm.create_model(form.name, **form.arguments, zero_init_last=False)
    for name, made in form.modules.items():
        setattr(model, name, getattr(nn, made["type"])(**{key: made[key] for key in made if key != "type"}))
    if "conv1" in form.modules:
        nn.init.kaiming_normal_(model.get_parameter("conv1.weight"), mode="fan_out", nonlinearity="relu")
    return model


def link(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    """Depth map, last block to last block; a basic base lies partly in a bottleneck model (coverage below 1)."""
    renames = block_renames(list(shapes_of(base)), list(shapes_of(motivated)), STAGES, "last-to-last")
    if not (has_blocks(base, BasicBlock) and has_blocks(motivated, Bottleneck)):
        return build_map(base, motivated, rename=renames)

    def rename(name: str) -> str:
        found = re.fullmatch(r"(layer\d+\.\d+\.)(conv\d|bn\d)(\..+)", renames(name))
        return found[1] + BASIC_TO_BOTTLENECK[found[2]] + found[3] if found else renames(name)

    return build_map(base, motivated, rename=rename)


def has_blocks(model: nn.Module, kind: type) -> bool:
    return any(isinstance(module, kind) for module in model.modules())


def identity(pair: Pair) -> Pair:
    set_last_scale(pair.motivated, pair.weights_map.receivers, BLOCKS, 0.0)
    return pair


def zero_last_scales(model: nn.Module) -> None:
    """timm's own default (`zero_init_last`): every block's last BatchNorm scale starts at zero.

    The first copy overwrites the mapped ones, so the differential ones are left. Shifts start at zero anyway, so for a
    full map this equals the identity start; a bottleneck that holds a basic block has it in three channels of four.
    """
    for module in model.modules():
        if isinstance(module, BasicBlock | Bottleneck):
            module.zero_init_last()


FAMILY = Family(build, link, identity, zero_last_scales, BLOCKS)
