"""Pairs to test maps and starts on: models without weights, and models as training could have left them."""

from __future__ import annotations

import random
from functools import cache

import torch
from torch import nn

from seekcli.config.layers import merge
from seekcli.config.pair_settings import PairConfig
from seekcli.config.schema import RunConfig
from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, tensors_of
from seekcli.models.catalog import parse_pair
from seekcli.models.pairs import build_model, link_models

CLASSES = 10


def config_for(
    base, motivated, init="identity", seed=0, schedule="alternating", image_size=16, map_name="aligned"
) -> RunConfig:
    settings = {
        "pair.base": base,
        "pair.motivated": motivated,
        "pair.init": init,
        "pair.map": map_name,
        "seed": seed,
        "schedule": schedule,
        "data.classes": CLASSES,
        "data.channels": 3,
        "data.image_size": image_size,
    }
    return merge([("test", settings)]).config


@cache
def shape_model(name: str, image_size: int = 32, classes: int = CLASSES) -> nn.Module:
    """A model without memory for its weights."""
    with torch.device("meta"):
        return build_model(name, classes, 3, image_size)


class Shuffled(nn.Module):
    """The same tensors and modules under the same names, registered in another order."""

    def __init__(self, model: nn.Module, seed: int) -> None:
        super().__init__()
        self.parts = list(model.modules())
        self.entries = list(model.state_dict().items())
        random.Random(seed).shuffle(self.parts)
        random.Random(seed).shuffle(self.entries)

    def modules(self):
        return iter(self.parts)

    def state_dict(self, *args, **kwargs):
        return dict(self.entries)


@cache
def shape_map(pair: str, map_name: str = "aligned", shuffled: bool = False) -> WeightsMap:
    """The weights map of a pair by its name, made from models without weights."""
    names = parse_pair(pair)
    models = [shape_model(name) for name in names]
    if shuffled:
        models = [Shuffled(model, seed) for seed, model in enumerate(models)]
    return link_models(
        PairConfig(base=names[0], motivated=names[1], map=map_name), {"base": models[0], "motivated": models[1]}
    )


def empty_pair(pair: str, image_size: int = 32, map_name: str = "aligned") -> Pair:
    """A pair whose tensors hold nothing yet: whoever calls fills them. Skips the costly usual initialisation."""
    names = parse_pair(pair)
    with torch.device("meta"):
        base, motivated = (build_model(name, CLASSES, 3, image_size) for name in names)
    models = {"base": base.to_empty(device="cpu"), "motivated": motivated.to_empty(device="cpu")}
    return Pair(base, motivated, link_models(PairConfig(base=names[0], motivated=names[1], map=map_name), models))


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Every tensor as training could have left it: no scale at one, no shift at zero, no statistics at their start.

    Weights keep the signal's size (He et al. 2015), so that logits are neither all alike nor overflow.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in tensors_of(model).items():
        if not tensor.is_floating_point():
            tensor.fill_(7)
        elif name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim() in (2, 4):
            tensor.normal_(0.0, (2.0 / tensor[0].numel()) ** 0.5, generator=generator)
        else:
            tensor.normal_(0.0, 0.3, generator=generator)


def without_dropout(model: nn.Module) -> nn.Module:
    """The same model with every drop rate at zero."""
    for module in model.modules():
        for attribute in ("drop_prob", "drop_rate"):
            if hasattr(module, attribute):
                setattr(module, attribute, 0.0)
    return model


@torch.no_grad()
def settle(model: nn.Module, images: torch.Tensor) -> None:
    """Take BatchNorm statistics from these images: random ones let a deep model's activations explode in eval mode."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.no_grad()
def relative_error(pair: Pair, images: torch.Tensor) -> float:
    """Largest difference between the two models' logits over the largest logit of the base."""
    expected, found = pair.base(images), pair.motivated(images)
    assert torch.isfinite(expected).all()
    assert expected.std(dim=0).min() > 1e-3 * expected.abs().max(), "logits hardly depend on the image: a void test"
    return ((found - expected).abs().max() / expected.abs().max()).item()
