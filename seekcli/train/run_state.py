"""The tensors of a run by name: what a checkpoint holds, and what the processes of a run share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seekcli.train.averaging import Averages
from seekcli.train.optimizers import optimizer_state


def tensors_of_run(
    models: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer], averages: Averages | None
) -> dict[str, Tensor]:
    """Weights, buffers, optimizer state and averages of each role: the very tensors that training updates in place."""
    tensors: dict[str, Tensor] = {}
    for role, model in models.items():
        tensors |= {f"{role}/{name}": tensor for name, tensor in model.state_dict().items()}
        for name, state in optimizer_state(optimizers[role], model).items():
            tensors |= {f"{role}.optimizer/{name}/{key}": tensor for key, tensor in state.items()}
        if averages is not None:
            average = averages.of[role].model.state_dict()
            tensors |= {f"{role}.average/{name}": tensor for name, tensor in average.items()}
    return tensors


@torch.no_grad()
def put_in_place(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy into the tensors of a run, whose storage and memory layout stay.

    Raises ValueError, and copies nothing, where names or shapes are others.
    """
    if own.keys() != tensors.keys():
        raise ValueError(f"tensors differ from this run's: {sorted(own.keys() ^ tensors.keys())[:3]}")
    if odd := [name for name, tensor in own.items() if tensor.shape != tensors[name].shape]:
        raise ValueError(f"{odd[0]} is {tuple(tensors[odd[0]].shape)}, not {tuple(own[odd[0]].shape)}")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])
