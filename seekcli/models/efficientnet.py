"""EfficientNet B0 to B7 (Tan and Le 2019): timm's, with the dropout and stochastic depth of their paper.

A larger one is wider and deeper: leading slices along both channel dimensions, a stage's layers to the first layers of
the motivated stage (paper 3.3).
"""

from __future__ import annotations

import timm
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, build_map
from seekcli.models.added_blocks import Blocks, set_last_scale
from seekcli.models.catalog import ModelSpec
from seekcli.models.family import Family, ignore_added_inputs

# Tan and Le 2019, section 5.2: dropout grows from 0.2 for B0 to 0.5 for B7; stochastic depth with survival 0.8.
DROPOUT = (0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)
STOCHASTIC_DEPTH = 0.2
BLOCKS = Blocks((DepthwiseSeparableConv, InvertedResidual), ("bn3", "bn2"))


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    return timm.create_model(
        spec.name.replace("-", "_"),
        num_classes=classes,
        in_chans=channels,
        drop_rate=DROPOUT[spec.order],
        drop_path_rate=STOCHASTIC_DEPTH,
    )


def link(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    """Equal names: layer i of a stage is layer i of the motivated stage, so only slices remain to be said."""
    return build_map(base, motivated)


def identity(pair: Pair) -> Pair:
    """Added layers add nothing, and mapped channels read no added ones."""
    set_last_scale(pair.motivated, pair.weights_map.receivers, BLOCKS, 0.0)
    ignore_added_inputs(pair.motivated, pair.weights_map)
    return pair


FAMILY = Family(build, link, identity, blocks=BLOCKS)
