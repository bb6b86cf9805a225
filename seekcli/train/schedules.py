"""The learning rate as a function of the global step: the same number for both optimizers (Algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LrSchedule:
    """A schedule by name, and what any of them reads; rates are absolute."""

    name: str  # cosine, constant, exponential, wsd
    warmup_epochs: float
    warmup_start_lr: float
    min_lr: float  # cosine, wsd
    decay_rate: float  # exponential
    decay_every_epochs: float  # exponential
    decay_fraction: float  # wsd: of all steps


def learning_rate(schedule: LrSchedule, peak: float, step: int, steps_per_epoch: int, total_steps: int) -> float:
    """The rate of update `step` (counted from 0) of a run of `total_steps`.

    A linear warm-up goes from `warmup_start_lr` at step 0 to the peak at the first step after `warmup_epochs`. From
    there on: `cosine` falls to `min_lr`, reached after the last step; `exponential` multiplies by `decay_rate` every
    `decay_every_epochs`; `constant` stays; `wsd` stays until the last `decay_fraction` of all steps and falls linearly
    to `min_lr`, reached after the last step.
    """
    warmup_steps = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup_steps:
        return schedule.warmup_start_lr + (peak - schedule.warmup_start_lr) * step / warmup_steps
    if schedule.name == "constant":
        return peak
    if schedule.name == "wsd":
        left = (total_steps - step) / (schedule.decay_fraction * total_steps)
        return schedule.min_lr + (peak - schedule.min_lr) * min(1.0, left)
    if schedule.name == "exponential":
        decay_steps = max(1, round(schedule.decay_every_epochs * steps_per_epoch))
        return peak * schedule.decay_rate ** ((step - warmup_steps) // decay_steps)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return schedule.min_lr + (peak - schedule.min_lr) * (1 + math.cos(math.pi * progress)) / 2
