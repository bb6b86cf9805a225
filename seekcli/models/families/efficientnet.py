"""EfficientNet B0 to B7 (Tan and Le 2019): timm's, with the dropout and stochastic depth of their paper.

A larger one is wider and deeper: leading slices along both channel dimensions, a stage's layers to the first layers of
the motivated stage (paper 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekcli.models.family import Family, ModelSpec, Recipes, TimmForm

if TYPE_CHECKING:
    from torch import nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap
    from seekcli.models.added_blocks import Blocks

IMAGE_SIZES = (224, 240, 260, 300, 380, 456, 528, 600)  # Tan and Le 2019; native, per model
# Tan and Le 2019, section 5.2: dropout grows from 0.2 for B0 to 0.5 for B7; stochastic depth with survival 0.8.
DROPOUT = (0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)
STOCHASTIC_DEPTH = 0.2


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes]."""
    return timm_form(spec, classes, channels, image_size).create()


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm:
    arguments = {"num_classes": classes, "in_chans": channels}
    regularised = {"drop_rate": DROPOUT[spec.order], "drop_path_rate": STOCHASTIC_DEPTH}
    return TimmForm(spec.name.replace("-", "_"), arguments | regularised)


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    """Equal names: layer i of a stage is layer i of the motivated stage, so only slices remain to be said."""
    from seekcli.method.weights_map import map_shapes

    return map_shapes(base, motivated)


def identity(pair: Pair) -> Pair:
    """Added layers add nothing, and mapped channels read no added ones."""
    from seekcli.models.added_blocks import set_last_scale
    from seekcli.models.added_channels import ignore_added_inputs

    set_last_scale(pair.motivated, pair.weights_map.receivers, residual_blocks(), 0.0)
    ignore_added_inputs(pair.motivated, pair.weights_map)
    return pair


def residual_blocks() -> Blocks:
    from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual

    from seekcli.models.added_blocks import Blocks

    return Blocks((DepthwiseSeparableConv, InvertedResidual), ("bn3", "bn2"))


FAMILY = Family(
    name="efficientnet",
    models=tuple(ModelSpec(f"efficientnet-b{i}", "efficientnet", i, size) for i, size in enumerate(IMAGE_SIZES)),
    build=build,
    link=link,
    identity=identity,
    head="classifier",
    stem="conv_stem.weight",
    stem_in_words=lambda image_size: "3x3 convolution of stride 2",
    recipes=Recipes("cifar-efficientnet", small_images="small-efficientnet", given_weights="transfer"),
    residual_blocks=residual_blocks,
    timm=timm_form,
)
