"""From names to modules: one seeded model, or a pair with its weights map and initialisation."""

from __future__ import annotations

import importlib

import torch
from torch import nn

from seekcli.config import RunConfig
from seekcli.data.keys import key_of
from seekcli.errors import BadInput
from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap
from seekcli.models.catalog import check_pair, model_spec
from seekcli.models.family import Family

# Imported when first asked for: timm takes seconds, and the CIFAR ResNets do not need it.
FAMILY_MODULES = {
    "cifar-resnet": "cifar_resnet",
    "resnet": "imagenet_resnet",
    "vit": "vit",
    "efficientnet": "efficientnet",
}


def family_of(name: str) -> Family:
    """The family of a model by the model's name. Raises BadInput for an unknown one."""
    module = FAMILY_MODULES[model_spec(name).family]
    family: Family = importlib.import_module(f"seekcli.models.{module}").FAMILY
    return family


def build_model(name: str, classes: int, channels: int, image_size: int) -> nn.Module:
    """A freshly initialised model (torch's global generator). Raises BadInput for an unknown name or size."""
    spec = model_spec(name)
    try:
        return family_of(name).build(spec, classes, channels, image_size)
    except ValueError as error:
        raise BadInput(f"{name} at {image_size} px: {error}") from None


def seeded_model(name: str, seed: int, classes: int, channels: int, image_size: int) -> nn.Module:
    """The model with the weights that (seed, name) alone decide, so that all arms of a seed start alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key_of("weights", seed, name))
        return build_model(name, classes, channels, image_size)


def build_models(config: RunConfig) -> dict[str, nn.Module]:
    """The models that the schedule trains, by role. Needs the resolved data facts in `config.data`."""
    data = config.data
    assert data.classes and data.channels and data.image_size, "the config is not resolved"
    return {
        role: seeded_model(config.model_name(role), config.seed, data.classes, data.channels, data.image_size)
        for role in config.roles
    }


def build_pair(config: RunConfig) -> Pair:
    """The pair of an alternating run, initialised as `pair.init` says.

    Raises BadInput where the two do not nest, or identity is asked of a partial map.
    """
    check_pair(config.pair.base, config.pair.motivated)
    models = build_models(config)
    pair = Pair(models["base"], models["motivated"], link_models(config.pair.base, models, config.pair.map))
    family = family_of(config.pair.base)
    if config.pair.init == "timm":
        if family.timm_start is None:
            raise BadInput(f"--init timm is the same as paper for {config.pair_name}: use --init paper")
        family.timm_start(pair.motivated)
    if config.pair.init != "identity":
        return pair
    if not pair.weights_map.full:
        coverage = pair.weights_map.coverage
        raise BadInput(f"--init identity needs a full weights map; {config.pair_name} covers {coverage:.1%}: use paper")
    try:
        return family.identity(pair)
    except ValueError as error:
        raise BadInput(f"--init identity: {error}; use paper") from None


def link_models(base_name: str, models: dict[str, nn.Module], map_name: str) -> WeightsMap:
    """Raises BadInput when the two do not nest, or nothing of the base has a counterpart."""
    try:
        return family_of(base_name).link(models["base"], models["motivated"], map_name)
    except ValueError as error:
        raise BadInput(f"{base_name} does not nest in the motivated model: {error}") from None
