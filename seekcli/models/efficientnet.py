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
from seekcli.models.timm_form import timm_form

BLOCKS = Blocks((DepthwiseSeparableConv, InvertedResidual), ("bn3", "bn2"))


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    form = timm_form(spec, classes, channels, image_size)
    assert form is not None
    return timm.create_model(form.name, **form.arguments)


def link(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    """Equal names: layer i of a stage is layer i of the motivated stage, so only slices remain to be said."""
    return build_map(base, motivated)


def identity(pair: Pair) -> Pair:
    """Added layers add nothing, and mapped channels read no added ones."""
    set_last_scale(pair.motivated, pair.weights_map.receivers, BLOCKS, 0.0)
    ignore_added_inputs(pair.motivated, pair.weights_map)
    return pair


FAMILY = Family(build, link, identity, blocks=BLOCKS)
