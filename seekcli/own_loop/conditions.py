"""`seekcli.conditions`: the motivation conditions as objects, for a loop of one's own.

    seekcli.conditions.Loss(k=2)

A condition of one's own is any object with `observe`, `state_dict` and `load_state_dict` (docs/conditions.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekcli.method.budget import Budget
from seekcli.method.condition import Condition, needs_of
from seekcli.method.counts import Constant, MatchedCount, Periodic, RandomCount, Window
from seekcli.method.observation import Observation
from seekcli.method.streaks import (
    EmaLossCondition,
    GradientNormCondition,
    InverseLossCondition,
    LossCondition,
    ValidationLossCondition,
)

__all__ = [
    "Always",
    "Budget",
    "Condition",
    "EmaLoss",
    "GradientNorm",
    "InverseLoss",
    "Loss",
    "MatchedCount",
    "Never",
    "Observation",
    "Periodic",
    "RandomCount",
    "ValidationLoss",
    "Window",
    "named_settings",
    "needs_of",
]


class Loss(LossCondition):
    """The training loss fell `k` batches in a row (the paper's choice)."""

    def __init__(self, k: int = 2) -> None:
        super().__init__(k)


class EmaLoss(EmaLossCondition):
    """A moving average of the training loss fell by `fall_percent` or more `k` times in a row."""

    def __init__(self, k: int = 2, alpha: float = 0.02, fall_percent: float = 0.2) -> None:
        super().__init__(k, alpha, fall_percent)


class ValidationLoss(ValidationLossCondition):
    """The loss on a held-out batch fell `k` times in a row: `step(loss, validation_loss=...)`."""

    def __init__(self, k: int = 2) -> None:
        super().__init__(k)


class GradientNorm(GradientNormCondition):
    """The norm of the gradient rose `k` times in a row: `step(loss, gradient_norm=...)`."""

    def __init__(self, k: int = 2) -> None:
        super().__init__(k)


class InverseLoss(InverseLossCondition):
    """The training loss rose `k` batches in a row."""

    def __init__(self, k: int = 2) -> None:
        super().__init__(k)


class Always(Constant):
    """Every batch but the first of an epoch."""

    def __init__(self) -> None:
        super().__init__(True)


class Never(Constant):
    """No batch: the base alone."""

    def __init__(self) -> None:
        super().__init__(False)


# Conditions that read how many batches an epoch has.
COUNTING = (RandomCount, Window, Periodic, Budget)
NAMES: dict[type, str] = {
    LossCondition: "loss",
    EmaLossCondition: "ema-loss",
    ValidationLossCondition: "validation-loss",
    GradientNormCondition: "gradient-norm",
    InverseLossCondition: "inverse",
    MatchedCount: "matched-count",
    RandomCount: "random-count",
    Window: "window",
    Periodic: "periodic",
    Budget: "budget",
    Always: "always",
    Never: "never",
}


def named_settings(condition: Condition) -> Mapping[str, Any]:
    """The settings `motivation.*` that say which condition this is; of one's own its import path, and its `k`.

    The numbers of a fixed schedule are those that it was made of, as far as they are settings.
    """
    found = next((name for kind, name in NAMES.items() if isinstance(condition, kind)), None)
    own = f"{type(condition).__module__}:{type(condition).__qualname__}"
    settings: dict[str, Any] = {"condition": found or own}
    read = {"k": "k", "ema_alpha": "alpha", "ema_fall_percent": "fall_percent", "every_steps": "every_steps"}
    read |= {"share": "share"}
    for setting, attribute in read.items():
        value = getattr(condition, attribute, None)
        if isinstance(value, int | float):
            settings[setting] = value
    if isinstance(condition, MatchedCount):
        settings["counts"] = list(condition.counts)
    if isinstance(condition, Window):
        settings |= {"window_start": condition.start_fraction, "window_stop": condition.stop_fraction}
    return {f"motivation.{name}": value for name, value in settings.items()}
