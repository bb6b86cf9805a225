"""What a family of scalable models must say of itself, and the identity starts that several of them share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import nn

from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, tensors_of, view
from seekcli.models.catalog import ModelSpec


@dataclass(frozen=True)
class Family:
    """One file each under models/: how to build a member, what of it goes where, and how it starts as an identity."""

    build: Callable[[ModelSpec, int, int, int], nn.Module]  # spec, classes, channels, image size -> module
    link: Callable[[nn.Module, nn.Module, str], WeightsMap]  # base, motivated, map name -> weights map
    identity: Callable[[Pair], Pair]  # makes the motivated model compute what the base computes
    timm_start: Callable[[nn.Module], None] | None = None  # timm's own start of a model, where it is another than ours


@torch.no_grad()
def silence_added_blocks(
    motivated: nn.Module, linked: Collection[str], block: type | tuple[type, ...], norms: Collection[str]
) -> None:
    """Depth: the last normalisation of every added residual block starts at zero scale and shift, so it adds nothing.

    `linked` are the motivated tensors that hold base elements; `norms` names a block's normalisations, last first.
    """
    for name, module in motivated.named_modules():
        if not isinstance(module, block) or any(tensor.startswith(f"{name}.") for tensor in linked):
            continue
        last = next(getattr(module, norm) for norm in norms if hasattr(module, norm))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


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
