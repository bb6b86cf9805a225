"""Width: the channels that only the motivated model has, and how a family with BatchNorm starts without them."""

from __future__ import annotations

import torch
from torch import nn

from seekcli.method.weights_map import WeightsMap, tensors_of, view


@torch.no_grad()
def ignore_added_inputs(motivated: nn.Module, weights_map: WeightsMap) -> None:
    """Mapped rows start with zero weights on the inputs that only the motivated model has.

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
