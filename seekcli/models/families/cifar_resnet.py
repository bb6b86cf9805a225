"""CIFAR ResNets (He et al. 2016, section 4.2), which are ours: no library has them. A larger one is deeper alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekcli.models.family import Family, ModelSpec, Recipes

if TYPE_CHECKING:
    from torch import nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap
    from seekcli.models.added_blocks import Blocks

DEPTHS = (8, 14, 20, 32, 44, 56, 110)
STAGES = ("layer1", "layer2", "layer3")


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    from seekcli.models.cifar_resnet import CifarResNet

    return CifarResNet(spec.order, classes, channels)


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    from seekcli.method.weights_map import map_shapes

    return map_shapes(base, motivated, stages=STAGES, alignment="last-to-last")


def identity(pair: Pair) -> Pair:
    """An added block returns relu(0 + x) = x, since x comes out of a ReLU."""
    from seekcli.models.added_blocks import set_last_scale

    set_last_scale(pair.motivated, pair.weights_map.receivers, residual_blocks(), 0.0)
    return pair


def residual_blocks() -> Blocks:
    from seekcli.models.added_blocks import Blocks
    from seekcli.models.cifar_resnet import BasicBlock

    return Blocks((BasicBlock,), ("bn2",))


FAMILY = Family(
    name="cifar-resnet",
    models=tuple(ModelSpec(f"resnet{depth}", "cifar-resnet", depth, 32) for depth in DEPTHS),
    build=build,
    link=link,
    identity=identity,
    head="fc",
    stem="conv1.weight",
    stem_in_words=lambda image_size: "3x3 convolution of stride 1, no max-pool",
    recipes=Recipes("cifar-resnet", imagenet="imagenet-a3"),
    only_deeper=True,
    residual_blocks=residual_blocks,
    papers_flops=True,
)
