"""Optimizers for one model, their state laid out before the first step so that it can be carried by views made once.

All state is tensors by parameter, the step counts included, and every update is in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seekcli.method.pair import OptimizerState
from seekcli.train.eager_optimizers import EagerAdamW, EagerSGD

Groups = list[dict[str, Any]]

# What each optimizer keeps for a parameter, shaped like it, and the value that it has before the first step. SGD's
# momentum starts as a copy of the first gradient, which equals zero x momentum + gradient. RMSpropTF starts at one.
INITIAL_STATE: dict[str, dict[str, float]] = {
    "sgd": {"momentum_buffer": 0.0},
    "adamw": {"exp_avg": 0.0, "exp_avg_sq": 0.0},
    "rmsprop": {"square_avg": 1.0, "momentum_buffer": 0.0},
    "lamb": {"exp_avg": 0.0, "exp_avg_sq": 0.0},
}
COUNTS_STEPS = ("adamw", "rmsprop", "lamb")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """An optimizer by name, and what any of them reads."""

    name: str  # a key of INITIAL_STATE
    lr: float
    momentum: float  # sgd, rmsprop
    nesterov: bool  # sgd
    beta1: float  # adamw, lamb
    beta2: float  # adamw, lamb
    rms_decay: float  # rmsprop
    eps: float | None  # None: the optimizer's own
    weight_decay: float
    decay_norms_and_biases: bool


def build_optimizer(
    settings: OptimizerSettings, model: nn.Module, device: torch.device, lr_factors: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The optimizer of one model with its state already in place at the optimizer's own initial values.

    `lr_factors` names the parameters that learn at another rate than the rest (a group's `lr_factor`).
    """
    optimizer = make_optimizer(settings, parameter_groups(settings, model, lr_factors), device)
    lay_out_state(optimizer, settings.name)
    return optimizer


def make_optimizer(settings: OptimizerSettings, groups: Groups, device: torch.device) -> torch.optim.Optimizer:
    # fused on CUDA also takes a flag that skips the update on the device (see train/step.py).
    kernels = {"fused": True} if device.type == "cuda" else {"foreach": True}
    eps: dict[str, Any] = {} if settings.eps is None else {"eps": settings.eps}
    betas = (settings.beta1, settings.beta2)
    if settings.name == "sgd":
        return EagerSGD(groups, settings.lr, momentum=settings.momentum, nesterov=settings.nesterov, **kernels)
    if settings.name == "adamw":
        return EagerAdamW(groups, settings.lr, betas, **eps, **kernels)
    # timm takes seconds to import, and only these two are its own.
    if settings.name == "rmsprop":
        from timm.optim.rmsprop_tf import RMSpropTF

        return RMSpropTF(groups, settings.lr, alpha=settings.rms_decay, momentum=settings.momentum, **eps)
    from timm.optim.lamb import Lamb

    # Its own clipping is off (train.clip_norm does that for every optimizer), and it keeps its step count per group:
    # with a group for each parameter the count is the parameter's, and can go where the parameter goes.
    single = [{**group, "params": [parameter]} for group in groups for parameter in group["params"]]
    return Lamb(single, settings.lr, betas=betas, max_grad_norm=None, **eps)


def parameter_groups(
    settings: OptimizerSettings, model: nn.Module, lr_factors: Mapping[str, float] | None = None
) -> Groups:
    """One group; more when some parameters are spared weight decay or learn at another rate.

    Spared are norms and biases (all 1-d parameters) and what the model itself exempts (timm's `no_weight_decay`: the
    position embedding and the class token of a ViT).
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    listed: Callable[[], Collection[str]] | None = getattr(model, "no_weight_decay", None)
    exempt = listed() if listed else ()
    spares, factors = bool(settings.weight_decay) and not settings.decay_norms_and_biases, lr_factors or {}
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        spared = spares and (parameter.dim() <= 1 or name in exempt)
        groups.setdefault((spared, factors.get(name, 1.0)), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": 0.0 if spared else settings.weight_decay, "lr_factor": factor}
        for (spared, factor), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def lay_out_state(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Create the state that the first step would create lazily, at the value it would have before that step."""
    parameters = [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]
    for group, parameter in parameters:
        state = optimizer.state[parameter]
        if name in COUNTS_STEPS:
            # The fused kernel counts on the device, all others on the host, where reading costs no wait.
            counter_device = parameter.device if group.get("fused") else "cpu"
            state["step"] = torch.zeros((), dtype=torch.float32, device=counter_device)
        if name == "lamb":
            group["step"] = state["step"]
        for key, value in INITIAL_STATE[name].items():
            if key != "momentum_buffer" or group["momentum"]:
                state[key] = torch.full_like(parameter, value, memory_format=torch.preserve_format)


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> OptimizerState:
    """Optimizer state by parameter name: the very tensors that the optimizer updates in place."""
    state: dict[str, dict[str, Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter in optimizer.state:
            state[name] = dict(optimizer.state[parameter])
    return state
