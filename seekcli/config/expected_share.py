"""From settings to the share of the larger model's steps that chance or the schedule gives."""

from __future__ import annotations

from seekcli.config.condition_settings import SCHEDULE_OPTIONS
from seekcli.config.schema import RunConfig
from seekcli.method.condition import ConditionSettings, expected_share
from seekcli.method.growing import grown_share


def condition_settings(config: RunConfig, steps: int, steps_per_epoch: int) -> ConditionSettings:
    """What a shipped condition is made from, given the length of the run. Settings that are not set keep defaults."""
    motivation = config.motivation
    optional = {key: getattr(motivation, key) for key in SCHEDULE_OPTIONS}
    return ConditionSettings(
        k=motivation.k,
        seed=config.seed,
        ema_alpha=motivation.ema_alpha,
        ema_fall_percent=motivation.ema_fall_percent,
        counts=motivation.counts or (),
        steps=steps,
        steps_per_epoch=steps_per_epoch,
        **{key: value for key, value in optional.items() if value is not None},
    )


def expected_share_in(config: RunConfig, steps: int, steps_per_epoch: int) -> float | None:
    """Of a run of both models of that length; None where no expectation is known."""
    if config.schedule == "grow":
        return grown_share(config.motivation.grow_at, steps)
    return expected_share(config.motivation.condition, condition_settings(config, steps, steps_per_epoch))
