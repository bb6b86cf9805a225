"""What a family of scalable models must say of itself, and the identity starts that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, tensors_of, view
from seekcli.models.added_blocks import Blocks
from seekcli.models.catalog import ModelSpec


@dataclass(frozen=True)
class Family:
    """One file each under models/: how to build a member, what of it goes where, and how it starts as an identity."""

    build: Callable[[ModelSpec, int, int, int], nn.Module]  # spec, classes, channels, image size -> module
    link: Callable[[nn.Module, nn.Module, str], WeightsMap]  # base, motivated, map name -> weights map
    identity: Callable[[Pair], Pair]  # makes the motivated model compute what the base computes
    timm_start: Callable[[nn.Module], None] | None = None  # timm's own start of a model, where it is another than ours
    blocks: Blocks | None = None  # its residual blocks, where a larger model has more of them


@torch.no_grad()
def ignore_added_inputs(motivated: nn.Module, weights_map: WeightsMap) -> None:
    """Width, BatchNorm families: mapped rows start with zero weights on the inputs that only the motivated model has.

    Holds for convolutions and linear layers alike (squeeze-excite and classifier included); dimension 1 is the input.
    """
    tensors = tensors_of(motivated)
    for link in weights_map.links:
        region = link.motivated_region
        tensor = tensors[link.motivated]
        if len(region) in (2, 4) and region[1][1] < tensor.shape[1]:
            view(
                tensor, (region[0], (region[1][1], tensor.shape[1]), *((0, size) for size in tensor.shape[2:]))
            ).zero_()
