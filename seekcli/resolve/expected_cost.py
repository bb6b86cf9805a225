"""What a run is expected to cost in training, from its settings alone.

MACs of the usual models at the sizes of the usual data are written down in models/known_macs.json: to count them takes
torch and a forward pass, which are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from seekcli.config.schema import RunConfig
from seekcli.method.cost_measures import mean_forward_cost, training_flops_per_image
from seekcli.method.growing import branch_step
from seekcli.models.known_macs import known_macs
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.length import planned_bounds, planned_length
from seekcli.train.length import images_in


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
