"""Motivation conditions (paper 3.4, 4.4): small objects that see one step at a time and say whether learning goes well.

State is plain data (JSON), so that a checkpoint can hold it. A condition knows no torch: it is given numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Observation:
    """What a condition may see of a finished step. `batch` counts from 0 in its epoch of `batches`."""

    epoch: int
    batch: int
    batches: int
    loss: float


class Condition(Protocol):
    """A motivation condition. `observe` is called once after every step, of whichever model was active."""

    def observe(self, step: Observation) -> bool:
        """Take in one step; return whether the next batch of this epoch is a motivated one."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, as plain data."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""


class LossCondition:
    """`loss`: the training loss of the active model fell k batches in a row (Algorithm 1).

    Neither the streak nor the previous loss is reset between epochs.
    """

    def __init__(self, k: int) -> None:
        self.k = k
        self.streak = 0
        self.previous_loss = math.inf

    def observe(self, step: Observation) -> bool:
        self.streak = self.streak + 1 if step.loss < self.previous_loss else 0
        self.previous_loss = step.loss
        return self.streak >= self.k

    def state_dict(self) -> dict[str, Any]:
        # JSON has no infinity; None stands for "no loss yet".
        previous = None if math.isinf(self.previous_loss) else self.previous_loss
        return {"streak": self.streak, "previous_loss": previous}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.streak = int(state["streak"])
        self.previous_loss = math.inf if state["previous_loss"] is None else float(state["previous_loss"])


class Constant:
    """`always` and `never`: bounds and tests. `always` still starts each epoch on the base model."""

    def __init__(self, motivated: bool) -> None:
        self.motivated = motivated

    def observe(self, step: Observation) -> bool:
        return self.motivated

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


CONDITIONS: dict[str, Callable[[int], Condition]] = {
    "loss": LossCondition,
    "always": lambda k: Constant(True),
    "never": lambda k: Constant(False),
}


def expected_share(condition: str, k: int, steps_per_epoch: int | None = None) -> float | None:
    """Share of motivated steps if minibatch losses were exchangeable: 1/(k+1)! x (B-1)/B with B steps an epoch.

    Without `steps_per_epoch` the factor for the epoch's first batch, which is always the base's, is left out. None where
    no expectation is known. k falls in a row are one ordering out of (k+1)! equally likely ones.
    """
    chance = {"loss": 1 / math.factorial(k + 1), "always": 1.0, "never": 0.0}.get(condition)
    if chance is None or steps_per_epoch is None:
        return chance
    return chance * (steps_per_epoch - 1) / steps_per_epoch
