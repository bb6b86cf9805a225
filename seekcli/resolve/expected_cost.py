"""What a forward of a run's models costs, and the run in training, from its settings alone.

MACs of the usual models at the sizes of the usual data are written down in models/known_macs.json: to count them takes
torch and a forward pass, which are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from seekcli.config.schema import RunConfig
from seekcli.method.cost_measures import mean_forward_cost, training_flops_per_image
from seekcli.method.growing import branch_step
from seekcli.models.known_macs import known_macs
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.length import planned_bounds, planned_length
from seekcli.train.length import images_in

if TYPE_CHECKING:
    from torch import nn


def train_flops_ahead(config: RunConfig) -> float | None:
    """Training FLOPs of the whole run; None where no share of motivated steps is expected."""
    share = None if config.classic else expected_share_of(config, planned_length(config))
    if share is None and not config.classic:
        return None
    return expected_train_flops(config, {role: train_macs(config, role) for role in config.roles}, share)


def image_shape(config: RunConfig) -> tuple[int, ...]:
    """C, H, W of a test image; of a window of text its tokens; of a row of numbers its own shape."""
    data = config.data
    if data.input_shape is not None:
        return tuple(data.input_shape)
    if data.context_length is not None:
        return (data.context_length,)
    assert data.channels and data.image_size, "the config is not resolved"
    return data.channels, data.image_size, data.image_size


def train_shape(config: RunConfig) -> tuple[int, ...]:
    """C, H, W of a training image, which some recipes make smaller; of a window of text its tokens."""
    size = config.data.train_size
    return image_shape(config) if size is None else (image_shape(config)[0], size, size)


def train_macs(config: RunConfig, role: str) -> float:
    """MACs of one training image's forward pass through the model of this role."""
    data = config.data
    assert data.classes and data.side, "the config is not resolved"
    return counted_macs(config.model_name(role), data.classes, data.side, train_shape(config))


def forward_macs(config: RunConfig, models: Mapping[str, nn.Module]) -> tuple[dict[str, int], dict[str, int]]:
    """MACs of a forward of one test image, or window of text, by role; and of one training image.

    What is not written down is counted of `models` themselves, which may be modules of the user's own.
    """
    shapes = image_shape(config), train_shape(config)
    of_shape = {
        shape: {role: macs_of(model, config.model_name(role), config, shape) for role, model in models.items()}
        for shape in dict.fromkeys(shapes)
    }
    return of_shape[shapes[0]], of_shape[shapes[1]]


def macs_of(model: nn.Module, name: str, config: RunConfig, shape: tuple[int, ...]) -> int:
    data = config.data
    assert data.classes and data.side, "the config is not resolved"
    known = known_macs(name, data.classes, data.side, shape)
    if known is not None:
        return known
    from seekcli.models.costs import forward_cost

    return forward_cost(model, name, shape).per_image


# A grid asks this for every seed of every arm, and a count takes a second.
@lru_cache(maxsize=64)
def counted_macs(name: str, classes: int, image_size: int, shape: tuple[int, ...]) -> float:
    known = known_macs(name, classes, image_size, shape)
    if known is not None:
        return float(known)
    from seekcli.models.costs import forward_cost
    from seekcli.models.pairs import build_model

    return float(forward_cost(build_model(name, classes, shape[0], image_size), name, shape).per_image)


def expected_train_flops(config: RunConfig, train_macs: Mapping[str, float], share: float | None) -> float:
    """Training FLOPs of the whole run, at this share of motivated steps where the models alternate.

    The base of a growing run sees all images, and its motivated model those after the branch again.
    """
    steps, bounds = planned_length(config).steps, planned_bounds(config)
    images = images_in(steps, bounds)
    if config.schedule != "grow":
        return training_flops_per_image(mean_macs(train_macs, share)) * images
    again = images - images_in(branch_step(config.motivation.grow_at, steps), bounds)
    seen = {"base": images, "motivated": again}
    return sum(training_flops_per_image(train_macs[role]) * count for role, count in seen.items())


def mean_macs(macs: Mapping[str, float], share: float | None) -> float:
    """Of both models at this share, or of the one that there is."""
    if len(macs) == 1:
        return next(iter(macs.values()))
    return mean_forward_cost(macs["base"], macs["motivated"], share or 0.0)
