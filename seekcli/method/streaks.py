"""Conditions of the kind "k times in a row" (paper 3.4). Streaks and previous values are not reset between epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seekcli.method.observation import Observation


def require_k(k: int) -> None:
    """Raise ValueError for a k that no streak could reach, or that every step would."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"k: a whole number of 1 or more, not {k!r}")


class Falls:
    """A signal of the step fell k times in a row. It starts at infinity (Algorithm 1), so the first value is a fall."""

    needs: tuple[str, ...] = ()

    def __init__(self, k: int) -> None:
        require_k(k)
        self.k = k
        self.streak = 0
        self.previous = math.inf

    def signal(self, step: Observation) -> float | None:
        """The number that has to fall; None where the step has none, which neither breaks nor lengthens a streak."""
        raise NotImplementedError

    def observe(self, step: Observation) -> bool:
        value = self.signal(step)
        if value is not None:
            self.streak = self.streak + 1 if value < self.previous else 0
            self.previous = value
        return self.streak >= self.k

    def state_dict(self) -> dict[str, Any]:
        # JSON has no infinity; None stands for "no value yet".
        return {"streak": self.streak, "previous": None if math.isinf(self.previous) else self.previous}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.streak = int(state["streak"])
        self.previous = math.inf if state["previous"] is None else float(state["previous"])


class LossCondition(Falls):
    """`loss`: the training loss of the active model (Algorithm 1)."""

    def signal(self, step: Observation) -> float | None:
        return step.loss


class InverseLossCondition(Falls):
    """`inverse`: the training loss rose; a rise is a fall of its negative. It asks whether the direction matters."""

    def signal(self, step: Observation) -> float | None:
        return -step.loss


class ValidationLossCondition(Falls):
    """`validation-loss`: the loss of the active model, after its update, on one batch that is never trained on."""

    needs = ("validation_loss",)

    def signal(self, step: Observation) -> float | None:
        return step.validation_loss


class GradientNormCondition(Falls):
    """`gradient-norm`: the norm of the whole gradient of the active model; a rise is a fall of its negative."""

    needs = ("gradient_norm",)

    def signal(self, step: Observation) -> float | None:
        return None if step.gradient_norm is None else -step.gradient_norm


class EmaLossCondition:
    """`ema-loss`: a moving average of the training loss, ema += alpha x (loss - ema), fell by enough k times in a row.

    Enough is `fall_percent` of its value before the step. It starts at the first loss, which is no fall.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, k: int, alpha: float, fall_percent: float) -> None:
        require_k(k)
        self.k = k
        self.alpha = alpha
        self.fall_percent = fall_percent
        self.streak = 0
        self.ema: float | None = None

    def observe(self, step: Observation) -> bool:
        before = step.loss if self.ema is None else self.ema
        self.ema = before + self.alpha * (step.loss - before)
        fell = self.ema < before and 100 * (before - self.ema) >= self.fall_percent * before
        self.streak = self.streak + 1 if fell else 0
        return self.streak >= self.k

    def state_dict(self) -> dict[str, Any]:
        return {"streak": self.streak, "ema": self.ema}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.streak = int(state["streak"])
        self.ema = None if state["ema"] is None else float(state["ema"])
