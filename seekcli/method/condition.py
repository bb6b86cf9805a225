"""Motivation conditions (paper 3.4, 4.4): small objects that see one step at a time and say whether learning goes well.

This is the plug-in point: what a condition is, and the ones that are shipped. State is plain data (JSON), so that a
checkpoint can hold it. A condition knows no torch: it is given numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seekcli.method.counts import Constant, MatchedCount, RandomCount
from seekcli.method.observation import Observation
from seekcli.method.streaks import EmaLossCondition, GradientNormCondition, LossCondition, ValidationLossCondition


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
class Settings:
    """All that the shipped conditions are made from; each takes what it reads. `counts` has a number for each epoch."""

    k: int = 2
    seed: int = 0
    ema_alpha: float = 0.02
    ema_fall_percent: float = 0.2
    counts: Sequence[int] = ()


@dataclass(frozen=True)
class Shipped:
    """A condition that has a name: a line on when the next batch is a motivated one, and how to make it."""

    about: str
    make: Callable[[Settings], Condition]


CONDITIONS: dict[str, Shipped] = {
    "loss": Shipped("the training loss fell k batches in a row (the paper's choice)", lambda s: LossCondition(s.k)),
    "ema-loss": Shipped(
        "a moving average of the training loss fell by 0.2 % or more k times in a row",
        lambda s: EmaLossCondition(s.k, s.ema_alpha, s.ema_fall_percent),
    ),
    "validation-loss": Shipped(
        "the loss on a held-out batch fell k times in a row (needs data.holdout_images)",
        lambda s: ValidationLossCondition(s.k),
    ),
    "gradient-norm": Shipped("the norm of the gradient rose k times in a row", lambda s: GradientNormCondition(s.k)),
    "random-count": Shipped(
        "a random number of random batches in each epoch (ablation A)", lambda s: RandomCount(s.seed)
    ),
    "matched-count": Shipped(
        "random batches, in each epoch as many as `loss` had (ablation B; needs motivation.counts_from)",
        lambda s: MatchedCount(s.seed, s.counts),
    ),
    "always": Shipped("every batch but the first of an epoch (a bound, and for tests)", lambda s: Constant(True)),
    "never": Shipped("no batch: the base alone (a bound, and for tests)", lambda s: Constant(False)),
}


# 1/(k+1)! of more is zero in floating point.
LONGEST_STREAK = 170


def expected_share(
    condition: str, k: int, steps_per_epoch: int | None = None, counts: Sequence[int] | None = None
) -> float | None:
    """Share of motivated steps that chance gives, with B steps an epoch; None where no expectation is known.

    If losses (or norms) were exchangeable, k falls in a row would be one ordering out of (k+1)! equally likely ones:
    1/(k+1)! x (B-1)/B. `random-count` has (B-1)/2 of B steps on average; `matched-count` has its counts exactly.
    Without `steps_per_epoch` the factor for the epoch's first batch, which is always the base's, is left out.
    """
    if condition == "matched-count":
        return sum(counts) / (len(counts) * steps_per_epoch) if counts and steps_per_epoch else None
    in_a_row = 1 / math.factorial(k + 1) if k < LONGEST_STREAK else 0.0
    by_chance = {"loss": in_a_row, "gradient-norm": in_a_row, "random-count": 0.5, "always": 1.0, "never": 0.0}
    chance = by_chance.get(condition)
    if chance is None or steps_per_epoch is None:
        return chance
    return chance * (steps_per_epoch - 1) / steps_per_epoch
