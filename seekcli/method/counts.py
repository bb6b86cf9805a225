"""Conditions that look at no loss: all steps, none, a fixed schedule, or a lottery (paper 4.4, the ablations).

They have no state: what they answer is a pure function of the seed, the epoch and the batch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from seekcli.method.observation import Observation


class Stateless:
    """A condition with nothing to remember."""

    needs: tuple[str, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class Constant(Stateless):
    """`always` and `never`: bounds and tests. `always` still starts each epoch on the base model."""

    def __init__(self, motivated: bool) -> None:
        self.motivated = motivated

    def observe(self, step: Observation) -> bool:
        return self.motivated


class Window(Stateless):
    """`window`: every step from the fraction `start` of the run to the fraction `stop`, both of all its steps."""

    def __init__(self, start: float, stop: float, steps: int, steps_per_epoch: int) -> None:
        self.start_fraction, self.stop_fraction = start, stop
        self.first = round(start * steps)
        self.stop = round(stop * steps)
        self.steps_per_epoch = steps_per_epoch

    def observe(self, step: Observation) -> bool:
        following = step.epoch * self.steps_per_epoch + step.batch + 1
        return not step.ends_epoch and self.first <= following < self.stop

    def motivated_steps(self) -> int:
        """All steps of the window but the first of each epoch, which is the base's."""
        epoch_starts = math.ceil(self.stop / self.steps_per_epoch) - math.ceil(self.first / self.steps_per_epoch)
        return self.stop - self.first - epoch_starts


class Periodic(Stateless):
    """`periodic`: the steps n, 2n, 3n, ... of the run, counted from 1, but for those that start an epoch."""

    def __init__(self, every_steps: int, steps: int, steps_per_epoch: int) -> None:
        self.every_steps = every_steps
        self.steps = steps
        self.steps_per_epoch = steps_per_epoch

    def observe(self, step: Observation) -> bool:
        following = step.epoch * self.steps_per_epoch + step.batch + 2
        return not step.ends_epoch and following % self.every_steps == 0

    def motivated_steps(self) -> int:
        numbers = range(self.every_steps, self.steps + 1, self.every_steps)
        return sum((number - 1) % self.steps_per_epoch != 0 for number in numbers)


class RandomCount(Stateless):
    """`random-count`: n of an epoch's B batches, drawn without replacement from the 2nd to the last; n ~ U{0..B-1}."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def count(self, epoch: int, batches: int) -> int:
        """How many batches of this epoch are motivated ones."""
        return draw("count", self.seed, epoch) % batches

    def observe(self, step: Observation) -> bool:
        count = self.count(step.epoch, step.batches)
        return step.batch + 1 in chosen_batches(self.seed, step.epoch, count, step.batches)


class MatchedCount(RandomCount):
    """`matched-count`: as `random-count`, with the number of motivated batches given for each epoch."""

    def __init__(self, seed: int, counts: Sequence[int]) -> None:
        super().__init__(seed)
        self.counts = tuple(counts)

    def count(self, epoch: int, batches: int) -> int:
        return self.counts[epoch]

    def motivated_steps(self) -> int:
        return sum(self.counts)


@lru_cache(maxsize=4)
def chosen_batches(seed: int, epoch: int, count: int, batches: int) -> frozenset[int]:
    """`count` of the batches 1 .. batches-1 (from 0: batch 0 is always the base's), those first in a keyed lottery."""
    return frozenset(sorted(range(1, batches), key=lambda batch: draw("batch", seed, epoch, batch))[:count])


def draw(purpose: str, *key: int) -> int:
    """A number below 2^256 that the key alone decides, on every machine: a hash has no state to save."""
    text = " ".join([purpose, *map(str, key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
