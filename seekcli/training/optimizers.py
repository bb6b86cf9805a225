"""Optimizers for one model, their state laid out before the first step so that it can be carried by views made once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seekcli.config import OptimizerConfig
from seekcli.method.pair import OptimizerState


def build_optimizer(config: OptimizerConfig, model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of one model with its state already in place at the optimizer's own initial values."""
    groups = parameter_groups(config, model)
    # fused on CUDA also takes a flag that skips the update on the device (see training/step.py).
    options = {"fused": True} if device.type == "cuda" else {"foreach": True}
    optimizer = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, **options)
    lay_out_state(optimizer)
    return optimizer


def parameter_groups(config: OptimizerConfig, model: nn.Module) -> list[dict[str, object]]:
    """One group, or two when norms and biases (all 1-d parameters) are spared weight decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.decay_norms_and_biases or config.weight_decay == 0:
        return [{"params": parameters, "weight_decay": config.weight_decay}]
    decayed = [parameter for parameter in parameters if parameter.dim() > 1]
    spared = [parameter for parameter in parameters if parameter.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def lay_out_state(optimizer: torch.optim.Optimizer) -> None:
    """Create the state that the first step would create lazily, at the value it would have before that step.

    SGD's momentum buffer starts as a copy of the first gradient, which equals zero x momentum + gradient.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"] if group.get("momentum") else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(
                parameter, memory_format=torch.preserve_format
            )


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> OptimizerState:
    """Optimizer state by parameter name: the very tensors that the optimizer updates in place."""
    state: dict[str, dict[str, Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter in optimizer.state:
            state[name] = dict(optimizer.state[parameter])
    return state
