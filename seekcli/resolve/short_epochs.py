"""Runs whose epochs are too short for the motivated model: every epoch starts on the base (Algorithm 1)."""

from __future__ import annotations

from seekcli.config.schema import RunConfig
from seekcli.data.sets.sources import data_facts
from seekcli.errors import BadInput
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.length import planned_length

# Below so many motivated steps in the whole run the larger model has hardly been trained.
FEW_STEPS = 10
# What is proposed instead of one step an epoch: with fewer, k = 2 is rarely met before the epoch ends.
PROPOSED_STEPS = 8


def require_several_steps(config: RunConfig) -> None:
    """Raise BadInput where an epoch is one step: the motivated model would never be trained.

    `runtime.force` (--force) trains all the same.
    """
    if config.schedule != "alternating" or config.runtime.force:
        return
    if planned_length(config).steps_per_epoch == 1:
        raise BadInput(
            f"--batch-size {config.train.batch_size}: {images(config):,} training {config.data.examples} make one step "
            f"an epoch, and every epoch starts on the base, so {config.pair.motivated} would never be trained; "
            f"{proposal(config)}, and --force trains all the same"
        )


def few_steps_note(config: RunConfig) -> str | None:
    """What to know of a run whose motivated model will hardly be trained; None for every other run."""
    if config.schedule != "alternating":
        return None
    length = planned_length(config)
    share = expected_share_of(config, length)
    if share is None or share * length.steps >= FEW_STEPS:
        return None
    # Where epochs have more steps than are proposed, that batch would be a larger one.
    longer = length.steps_per_epoch < PROPOSED_STEPS
    help_ = proposal(config) if longer else "a smaller --batch-size"
    return (
        f"{config.pair.motivated} is expected to get {share * length.steps:.1f} of {length.steps} steps: hardly any "
        f"training of its own; {help_}, or more --epochs"
    )


def images(config: RunConfig) -> int:
    return data_facts(config.data).train_images


def proposal(config: RunConfig) -> str:
    """`--batch-size 4 makes 8 steps an epoch`."""
    size = max(2, images(config) // PROPOSED_STEPS)
    return f"--batch-size {size} makes {images(config) // size} steps an epoch"
