"""From names to modules: one seeded model, or a pair with its weights map and initialisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from seekcli.config import RunConfig
from seekcli.data.keys import key_of
from seekcli.errors import BadInput
from seekcli.method.pair import Pair
from seekcli.method.weights_map import WeightsMap, build_map
from seekcli.models import cifar_resnet
from seekcli.models.catalog import ModelSpec, check_pair, model_spec


@dataclass(frozen=True)
class Family:
    """What a family of scalable models must say of itself."""

    build: Callable[[ModelSpec, int, int, int], nn.Module]  # spec, classes, channels, image size -> module
    link: Callable[[nn.Module, nn.Module, str], WeightsMap]  # base, motivated, map name -> weights map
    identity: Callable[[Pair], Pair]  # makes the motivated model compute what the base computes
    convolutional: bool = True


def build_cifar_resnet(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    return cifar_resnet.CifarResNet(spec.order, classes, channels)


def link_depth(base: nn.Module, motivated: nn.Module, map_name: str) -> WeightsMap:
    return build_map(base, motivated, stages=cifar_resnet.STAGES, alignment="last-to-last")


def start_as_identity(pair: Pair) -> Pair:
    assert isinstance(pair.motivated, cifar_resnet.CifarResNet)
    cifar_resnet.silence_added_blocks(pair.motivated, set(pair.weights_map.receivers))
    return pair


FAMILIES: dict[str, Family] = {
    "cifar-resnet": Family(build_cifar_resnet, link_depth, start_as_identity),
}


def build_model(name: str, classes: int, channels: int, image_size: int) -> nn.Module:
    """A freshly initialised model (torch's global generator). Raises BadInput for an unknown name or size."""
    spec = model_spec(name)
    try:
        return FAMILIES[spec.family].build(spec, classes, channels, image_size)
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
    if config.pair.init != "identity":
        return pair
    if not pair.weights_map.full:
        raise BadInput(
            f"--init identity needs a full weights map; {config.pair_name} covers {pair.weights_map.coverage:.1%}"
        )
    return FAMILIES[model_spec(config.pair.base).family].identity(pair)


def link_models(base_name: str, models: dict[str, nn.Module], map_name: str) -> WeightsMap:
    family = FAMILIES[model_spec(base_name).family]
    try:
        return family.link(models["base"], models["motivated"], map_name)
    except ValueError as error:
        raise BadInput(f"{base_name} does not nest in the motivated model: {error}") from None
