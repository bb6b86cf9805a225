"""How timm builds a model of ours: its name there, the arguments, and what is put in place of modules of timm's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seekcli.models.catalog import EFFICIENTNET_DROPOUT, STOCHASTIC_DEPTH, ModelSpec, patch_pixels

# Below this size the ImageNet ResNets get the stem that is usual on CIFAR.
SMALL_IMAGE_PIXELS = 64


@dataclass(frozen=True)
class TimmForm:
    """`timm.create_model(name, **arguments)`, and then the `modules` of torch.nn: their type and its arguments."""

    name: str
    arguments: dict[str, Any]
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)


def timm_name(spec: ModelSpec) -> str | None:
    """What timm calls the model; None for the CIFAR ResNets, which it has not."""
    names = {"resnet": spec.name, "vit": f"{spec.name}_patch16_224", "efficientnet": spec.name}
    name = names.get(spec.family)
    return name and name.replace("-", "_")


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm | None:
    """None for a model that timm has not. For loading: how its weights start is no part of it."""
    name = timm_name(spec)
    if name is None:
        return None
    arguments: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
    if spec.family == "vit":
        arguments |= {"img_size": image_size, "patch_size": patch_pixels(image_size)}
    elif spec.family == "efficientnet":
        arguments |= {"drop_rate": EFFICIENTNET_DROPOUT[spec.order], "drop_path_rate": STOCHASTIC_DEPTH}
    elif image_size < SMALL_IMAGE_PIXELS:
        sizes = {"in_channels": channels, "out_channels": 64, "kernel_size": 3, "stride": 1, "padding": 1}
        stem = {"type": "Conv2d", **sizes, "bias": False}
        return TimmForm(name, arguments, {"conv1": stem, "maxpool": {"type": "Identity"}})
    return TimmForm(name, arguments)


def stem_of(spec: ModelSpec, image_size: int) -> str | None:
    """The first layers in words; None for a transformer, which has patches."""
    if spec.family == "vit":
        return None
    if spec.family == "efficientnet":
        return "3x3 convolution of stride 2"
    if spec.family == "resnet" and image_size >= SMALL_IMAGE_PIXELS:
        return "7x7 convolution of stride 2, max-pool of stride 2"
    return "3x3 convolution of stride 1, no max-pool"
