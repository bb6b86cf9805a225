"""From names to modules: one seeded model, or a pair with its weights map and initialisation."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from seekcli.config.pair_settings import PairConfig, is_own_model
from seekcli.config.schema import RunConfig
from seekcli.data.keys import key_of
from seekcli.errors import BadInput
from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, shapes_of
from seekcli.models.catalog import check_image_size, check_pair, check_start, family_of, family_of_pair, model_spec
from seekcli.models.layouts import does_not_nest, link_shapes
from seekcli.models.own_models import is_own_pair
from seekcli.models.starts import start
from seekcli.models.transplant import SourceWeights, carve_base, transplant


def build_model(name: str, classes: int, channels: int, image_size: int) -> nn.Module:
    """A freshly initialised model (torch's global generator). Raises BadInput for an unknown name or size."""
    check_image_size(name, image_size)
    return family_of(name).build(model_spec(name), classes, channels, image_size)


def seeded_model(name: str, seed: int, classes: int, channels: int, image_size: int) -> nn.Module:
    """The model with the weights that (seed, name) alone decide, so that all arms of a seed start alike."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed keeps a stack trace for each kind of device that is not in use yet, and keeps it for good.
        seed_all = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
        seed_all(key_of("weights", seed, name))
        return build_model(name, classes, channels, image_size)


def build_models(config: RunConfig, source: SourceWeights | None = None) -> dict[str, nn.Module]:
    """The models that the schedule trains, by role. Needs the resolved data facts in `config.data`.

    A model that `source` has weights for starts from them, with a new head. Raises BadInput where they do not fit.
    """
    data = config.data
    assert data.classes and data.channels and data.side, "the config is not resolved"
    models = {
        role: seeded_model(config.model_name(role), config.seed, data.classes, data.channels, data.side)
        for role in config.roles
    }
    for role, model in models.items():
        name = config.model_name(role)
        if source is not None and name in source.models:
            transplant(model, name, source.models[name], source.label)
    return models


def build_pair(config: RunConfig, source: SourceWeights | None = None) -> Pair:
    """The pair of an alternating run, initialised as `pair.init` says (resolved: not `auto`).

    With source weights for the motivated model alone the base starts from its region of them. Raises BadInput where the
    two do not nest, or cannot start or be mapped as asked, or where the source's weights do not fit.
    """
    names = config.pair
    check_pair(names.base, names.motivated)
    check_start(names.base, names.motivated, names.init, names.map)
    models = build_models(config, source)
    pair = Pair(models["base"], models["motivated"], link_models(names, models))
    if source is not None and names.base not in source.models:
        carve_base(pair, names.base)
    return start(pair, family_of_pair(names), config)


def differential_parameters(weights_map: WeightsMap) -> frozenset[str]:
    """Names of the motivated tensors of a depth map that hold nothing of the base.

    Raises BadInput for a map by width, in which one tensor holds both.
    """
    shared = [
        link.motivated
        for link in weights_map.links
        if link.elements < math.prod(weights_map.motivated_shapes[link.motivated])
    ]
    if shared:
        raise BadInput(
            f"pair.differential_lr_factor is for pairs that differ in depth alone: {shared[0]} is shared with the base"
        )
    return frozenset(weights_map.motivated_shapes) - weights_map.receivers


def planned_models(config: RunConfig) -> dict[str, nn.Module]:
    """The models of a resolved config by role, without memory for their weights: to look at names and shapes.

    Modules of one's own have some: what their code can do without it, nobody knows.
    """
    if any(is_own_model(config.model_name(role)) for role in config.roles):
        return build_models(config)
    with torch.device("meta"), NothingDrawn():
        return build_models(config)


class NothingDrawn(TorchFunctionMode):
    """Inside, no tensor is filled with random numbers: for tensors without memory torch would import its compiler to do
    so, which takes seconds."""

    DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in self.DRAWS else func(*args, **(kwargs or {}))


def link_models(pair: PairConfig, models: dict[str, nn.Module]) -> WeightsMap:
    """The map between the two models of a pair, by role.

    Raises BadInput when the two do not nest, or nothing of the base has a counterpart.
    """
    if not is_own_pair(pair):
        return link_shapes(pair, shapes_of(models["base"]), shapes_of(models["motivated"]))
    from seekcli.models import own_pairs

    try:
        return own_pairs.link(pair, models["base"], models["motivated"])
    except ValueError as error:
        raise does_not_nest(pair, error) from None
