"""The learning rate as a function of the global step: the same number for both optimizers (Algorithm 1)."""

from __future__ import annotations

import math

from seekcli.config import LrScheduleConfig


def learning_rate(schedule: LrScheduleConfig, peak: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The rate of update `step` (counted from 0) out of `steps_per_epoch * epochs`.

    Linear warm-up over `warmup_epochs` reaches the peak at its end; cosine then falls to `min_lr` after the last step.
    """
    warmup_steps = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    if schedule.name == "constant":
        return peak
    total_steps = max(1, steps_per_epoch * epochs - warmup_steps)
    progress = (step - warmup_steps) / total_steps
    return schedule.min_lr + (peak - schedule.min_lr) * (1 + math.cos(math.pi * progress)) / 2
