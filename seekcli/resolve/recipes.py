"""Which recipe fits data and family, what becomes of it in a shorter run, and settings that cannot go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekcli.config.layers import Resolved
from seekcli.config.pair_settings import is_own_model
from seekcli.config.schema import RunConfig
from seekcli.config.settings import AugmentConfig
from seekcli.data.sets.kinds import kind_named
from seekcli.errors import BadInput
from seekcli.models.catalog import family_named, family_of
from seekcli.resolve.length import planned_length

# Spans of the learning-rate schedule that keep their share of the run when a recipe is shortened.
SPANS = ("lr_schedule.warmup_epochs", "lr_schedule.decay_every_epochs")


def pick_recipe(data_name: str, family: str, transfers: bool = False) -> str:
    """A sensible recipe for data and family, by name; `transfers` says that weights from elsewhere are given."""
    recipes, kind = family_named(family).recipes, kind_named(data_name)
    if kind is None or family_named(family).reads_text:  # no data set: said when its facts are asked for
        return recipes.usual
    if kind.small_images:  # the recipes of the paper would bring them to 224 pixels
        return recipes.small_images or kind.recipe or recipes.usual
    if kind.recipe is not None:
        return kind.recipe
    if transfers and recipes.given_weights is not None:
        return recipes.given_weights
    return (recipes.imagenet if kind.like_imagenet else None) or recipes.usual


def fit_to_length(resolved: Resolved, recipe: Mapping[str, Any]) -> Resolved:
    """A run that is shorter than its recipe keeps the shape of the recipe's schedule: its spans shrink alike.

    What was set by name stays as it is. Needs resolved data facts where the length is given in steps.
    """
    epochs, full = passes(resolved.config), recipe.get("train.epochs")
    if full is None or epochs >= full:
        return resolved
    shrunk = {
        key: recipe[key] * epochs / full
        for key in SPANS
        if recipe.get(key) and resolved.origins[key] == f"recipe {resolved.config.recipe}"
    }
    origin = f"recipe {resolved.config.recipe}, {epochs:g} of its {full} epochs"
    return resolved.updated(shrunk, origin) if shrunk else resolved


def passes(config: RunConfig) -> float:
    """Passes over the training set: a fraction where the run ends inside an epoch."""
    return config.train.epochs if config.train.steps is None else planned_length(config).passes


def fit_to_size(resolved: Resolved, recipe: Mapping[str, Any]) -> Resolved:
    """Where a recipe trains at another size than it tests at, another --image-size keeps the ratio of the two."""
    tested, trained = recipe.get("data.image_size"), recipe.get("data.train_size")
    size = resolved.config.data.image_size
    own = resolved.origins["data.train_size"] == f"recipe {resolved.config.recipe}"
    if not (tested and trained and size and own) or size == tested:
        return resolved
    origin = f"recipe {resolved.config.recipe}, {trained} of {tested} pixels"
    return resolved.updated({"data.train_size": max(1, round(size * trained / tested))}, origin)


def check_settings(config: RunConfig) -> None:
    """Raise BadInput for settings that contradict each other, or the data. Needs resolved data facts."""
    check_schedule(config)
    check_augmentation(config)
    if config.optimizer.name == "sgd" and config.optimizer.nesterov and not config.optimizer.momentum:
        raise BadInput("optimizer.nesterov true: it needs a momentum, and optimizer.momentum is 0; set one of the two")
    batch_size, parts = config.train.batch_size, config.train.accumulate_steps
    if batch_size < 2 * parts:
        raise BadInput(
            f"train.accumulate_steps {parts}: --batch-size {batch_size} leaves less than two {config.data.examples} "
            "for each part"
        )
    check_processes(config)
    patched = any(family_of(config.model_name(role)).patches for role in config.roles)
    train_size = config.data.train_size
    if train_size not in (None, config.data.image_size) and patched:
        raise BadInput(
            f"data.train_size {train_size}: a transformer is built for one image size, here {config.data.image_size}; "
            f"--set data.train_size={config.data.image_size}, or another --recipe"
        )


def check_processes(config: RunConfig) -> None:
    """Raise BadInput for what a run of several processes cannot do."""
    train, device = config.train, config.runtime.device
    if train.processes == 1:
        return
    parts = train.processes * train.accumulate_steps
    if train.batch_size < 2 * parts:
        of_each = " in each of the train.accumulate_steps" if train.accumulate_steps > 1 else ""
        raise BadInput(
            f"--batch-size {train.batch_size}: {train.processes} processes (train.processes) need at least two images "
            f"each{of_each}: {2 * parts} or more"
        )
    if device.startswith(("cuda:", "mps")):
        raise BadInput(f"--device {device} is one device for {train.processes} processes (train.processes): "
                       "use --device cuda (each its own) or cpu")


def check_schedule(config: RunConfig) -> None:
    warmup, epochs, steps = config.lr_schedule.warmup_epochs, passes(config), config.train.steps
    if warmup >= epochs:
        said = f"--epochs {epochs}" if steps is None else f"--steps {steps} ({epochs:.4g} epochs)"
        raise BadInput(f"lr_schedule.warmup_epochs {warmup:g}: it must end before the run does, after {said}")


def check_read_without_images(config: RunConfig) -> None:
    """Raise BadInput for a setting of images that a run on a text or on rows of numbers would not read.

    It would only change the run id. Rows are for modules of one's own alone.
    """
    if config.data.input_shape is not None:
        for role in config.roles:
            if not is_own_model(config.model_name(role)):
                raise BadInput(
                    f"--data {config.data.name} gives rows of numbers, and {config.model_name(role)} reads images: "
                    "name modules of your own, as in --base my_models:small --motivated my_models:large"
                )
    unread = {f"augment.{name}": value for name, value in config.augment if value != getattr(AugmentConfig(), name)}
    if config.data.context_length is not None and config.train.loss != "cross-entropy":
        unread["train.loss"] = config.train.loss
    for name, value in unread.items():
        raise BadInput(f"{name} {value} is for images, and --data {config.data.name} has none")


def check_augmentation(config: RunConfig) -> None:
    augment, data = config.augment, config.data
    if data.context_length is not None or data.input_shape is not None:
        check_read_without_images(config)
        return
    if (augment.mixup_alpha or augment.cutmix_alpha) and data.classes == 1:
        raise BadInput(
            f"augment.mixup_alpha, augment.cutmix_alpha: --data {data.name} has one class, and nothing to mix it with"
        )
    if data.image_size and augment.crop_padding > data.image_size:
        raise BadInput(
            f"augment.crop_padding {augment.crop_padding}: more than the {data.image_size} pixels of an image"
        )
    coloured = augment.randaugment_ops or augment.autoaugment != "none"
    if coloured and data.channels not in (1, 3):
        raise BadInput(
            "augment.randaugment_ops, augment.autoaugment: they need images of 1 or 3 channels, "
            f"--data {data.name} has {data.channels}"
        )
