"""Motivation conditions (paper 3.4, 4.4): small objects that see one step at a time and say whether learning goes well.

This is the plug-in point: what a condition is, and the ones that are shipped. State is plain data (JSON), so that a
checkpoint can hold it. A condition knows no torch: it is given numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from seekcli.method.budget import Budget
from seekcli.method.counts import Constant, MatchedCount, Periodic, RandomCount, Window
from seekcli.method.observation import Observation
from seekcli.method.streaks import (
    EmaLossCondition,
    GradientNormCondition,
    InverseLossCondition,
    LossCondition,
    ValidationLossCondition,
)


class Condition(Protocol):
    """A motivation condition. `observe` is called once after every step, of whichever model was active.

    A condition may have an attribute `needs`, with names of what else it wants to see of a step (`MEASURED_ON_DEMAND`).
    """

    def observe(self, step: Observation) -> bool:
        """Take in one step; return whether the next batch of this epoch is a motivated one."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, as plain data."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""


# What costs something to know about a step and is measured only for a condition whose `needs` names it.
MEASURED_ON_DEMAND = ("gradient_norm", "validation_loss")


def needs_of(condition: Condition) -> frozenset[str]:
    """What of `MEASURED_ON_DEMAND` this condition wants to see."""
    return frozenset(getattr(condition, "needs", ()))


@dataclass(frozen=True)
class ConditionSettings:
    """All that the shipped conditions are made from; each takes what it reads. `counts` has a number for each epoch.

    `window_start` and `window_stop` are fractions of the `steps` of the whole run, 0 where its length is not known. All
    epochs but the last have `steps_per_epoch`. The defaults of `window`, `periodic` and `budget` give a share near that
    of `loss` at k=2 by chance, 1/6.
    """

    k: int = 2
    seed: int = 0
    ema_alpha: float = 0.02
    ema_fall_percent: float = 0.2
    counts: Sequence[int] = ()
    window_start: float = 0.8333
    window_stop: float = 1.0
    every_steps: int = 6
    share: float = 0.1667
    steps: int = 0
    steps_per_epoch: int = 0

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)


@dataclass(frozen=True)
class Shipped:
    """A condition that has a name: a line on when the next batch is a motivated one, and how to make it.

    `chance` is the share of motivated steps that is expected where any batch may be one; None where none is known.
    """

    about: str
    make: Callable[[ConditionSettings], Condition]
    chance: Callable[[ConditionSettings], float | None]


# 1/(k+1)! of more is zero in floating point.
LONGEST_STREAK = 170


def in_a_row(settings: ConditionSettings) -> float:
    """If losses (or norms) were exchangeable, k falls in a row would be one of (k+1)! equally likely orderings."""
    return 1 / math.factorial(settings.k + 1) if settings.k < LONGEST_STREAK else 0.0


def unknown_chance(settings: ConditionSettings) -> None:
    """No expectation is known."""


CONDITIONS: dict[str, Shipped] = {
    "loss": Shipped(
        "the training loss fell k batches in a row (the paper's choice)", lambda s: LossCondition(s.k), in_a_row
    ),
    "ema-loss": Shipped(
        "a moving average of the training loss fell by 0.2 % or more k times in a row",
        lambda s: EmaLossCondition(s.k, s.ema_alpha, s.ema_fall_percent),
        unknown_chance,
    ),
    "validation-loss": Shipped(
        "the loss on a held-out batch fell k times in a row (needs data.holdout_images)",
        lambda s: ValidationLossCondition(s.k),
        unknown_chance,
    ),
    "gradient-norm": Shipped(
        "the norm of the gradient rose k times in a row", lambda s: GradientNormCondition(s.k), in_a_row
    ),
    "random-count": Shipped(
        "a random number of random batches in each epoch (ablation A)", lambda s: RandomCount(s.seed), lambda s: 0.5
    ),
    "matched-count": Shipped(
        "random batches, in each epoch as many as `loss` had (ablation B; needs motivation.counts_from)",
        lambda s: MatchedCount(s.seed, s.counts),
        unknown_chance,
    ),
    "inverse": Shipped(
        "the training loss rose k batches in a row: `loss` with the sign turned",
        lambda s: InverseLossCondition(s.k),
        in_a_row,
    ),
    "window": Shipped(
        "the step is between two fractions of the run (motivation.window_start, motivation.window_stop)",
        lambda s: Window(s.window_start, s.window_stop, s.steps, s.steps_per_epoch),
        lambda s: s.window_stop - s.window_start,
    ),
    "periodic": Shipped(
        "the step is the n-th, 2n-th, 3n-th, ... of the run (motivation.every_steps)",
        lambda s: Periodic(s.every_steps, s.steps, s.steps_per_epoch),
        lambda s: 1 / s.every_steps,
    ),
    "budget": Shipped(
        "the loss fell and a fixed share of each epoch's steps is not spent yet (motivation.share)",
        lambda s: Budget(s.share, s.steps, s.steps_per_epoch),
        lambda s: s.share,
    ),
    "always": Shipped(
        "every batch but the first of an epoch (a bound, and for tests)", lambda s: Constant(True), lambda s: 1.0
    ),
    "never": Shipped("no batch: the base alone (a bound, and for tests)", lambda s: Constant(False), lambda s: 0.0),
}


@runtime_checkable
class Counted(Protocol):
    """A condition that knows before the run how many of its steps are motivated ones."""

    def motivated_steps(self) -> int:
        """How many of the steps of the run."""


def expected_share(condition: str, settings: ConditionSettings) -> float | None:
    """Share of motivated steps that is expected; None where no expectation is known.

    The first step of an epoch is always the base's: what chance gives is times (B-1)/B, with B steps an epoch on
    average. `matched-count`, `window`, `periodic` and `budget` have their counts exactly. Without the length of the run
    that factor is left out.
    """
    shipped = CONDITIONS.get(condition)
    if shipped is None:
        return None
    chance = shipped.chance(settings)
    if not settings.steps:
        return chance
    made = shipped.make(settings)
    if isinstance(made, Counted):
        return made.motivated_steps() / settings.steps
    mean = settings.steps / settings.epochs
    return None if chance is None else chance * (mean - 1) / mean
