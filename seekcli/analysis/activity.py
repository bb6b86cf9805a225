"""When the larger model was active, step by step, and what the loss did around its turns. No torch.

A turn of the larger model begins after k falls of the loss in a row, so a loss right after is high by selection alone:
what falls by chance goes up again. The same is measured at the would-be switches of the base alone, where nothing
switched: the difference between the two is what the switch did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from seekcli.analysis.statistics import Sample, sample
from seekcli.method.observation import Observation
from seekcli.method.streaks import LossCondition

STEPS_BEFORE, STEPS_AFTER = 4, 8
Flags = npt.NDArray[np.bool_]
# Of a raster of runs: more columns than this no page shows.
MOST_COLUMNS = 600


@dataclass(frozen=True)
class Epoch:
    """The steps of one epoch in order: the loss of each, and whether the larger model took it."""

    number: int
    losses: tuple[float, ...]
    motivated: tuple[bool, ...]


@dataclass(frozen=True)
class StepRow:
    """A run of an arm as one row of a raster: whether the larger model took each of its steps, in their order."""

    arm: str
    seed: int
    run_id: str
    motivated: Flags

    @property
    def share(self) -> float:
        return float(self.motivated.mean())

    @property
    def turns(self) -> int:
        return int(self.motivated[0]) + int((self.motivated[1:] & ~self.motivated[:-1]).sum())


@dataclass(frozen=True)
class AroundSwitch:
    """The loss at `offset` steps from the first step of a turn, minus the mean loss of its epoch, over runs."""

    offset: int
    found: Sample


def epochs_of_run(columns: Mapping[str, Sequence[Any]]) -> list[Epoch]:
    """From the columns of a step table."""
    losses, motivated = defaultdict(list), defaultdict(list)
    for epoch, role, loss in zip(columns["epoch"], columns["role"], columns["loss"], strict=True):
        losses[epoch].append(loss)
        motivated[epoch].append(role == "motivated")
    return [Epoch(number, tuple(losses[number]), tuple(motivated[number])) for number in sorted(losses)]


def share_of(epoch: Epoch) -> float:
    return sum(epoch.motivated) / len(epoch.motivated)


def steps_per_column(rows: Iterable[StepRow]) -> int:
    """So many that the longest run has no more than `MOST_COLUMNS` columns."""
    return -(-max(len(row.motivated) for row in rows) // MOST_COLUMNS)


def shares_by_column(row: StepRow, per_column: int) -> list[float]:
    """The larger model's share of each `per_column` steps; the last column may have fewer."""
    starts = np.arange(0, len(row.motivated), per_column)
    taken = np.add.reduceat(row.motivated.astype(np.int64), starts)
    sizes = np.diff([*starts, len(row.motivated)])
    return [float(share) for share in taken / sizes]


def would_be(epochs: Iterable[Epoch], k: int) -> list[Epoch]:
    """A run of the base alone with the turns that the condition `loss` would have given: nothing switches there."""
    condition, found = LossCondition(k), []
    for epoch in epochs:
        motivated, batches = [False], len(epoch.losses)  # every epoch starts on the base
        for batch, loss in enumerate(epoch.losses):
            motivated.append(condition.observe(Observation(epoch.number - 1, batch, batches, loss)))
        found.append(Epoch(epoch.number, epoch.losses, tuple(motivated[:batches])))
    return found


def turns_of(epoch: Epoch) -> list[int]:
    """Where a turn of the larger model begins: places in the epoch, from 0."""
    before = (False, *epoch.motivated)
    return [place for place, now in enumerate(epoch.motivated) if now and not before[place]]


def turns_with_lengths(epoch: Epoch) -> list[tuple[int, int]]:
    """Where a turn of the larger model begins, from 0, and how many steps of the epoch it has."""
    found = []
    for start in turns_of(epoch):
        rest = epoch.motivated[start:]
        found.append((start, rest.index(False) if False in rest else len(rest)))
    return found


def around_switches(runs: Iterable[Sequence[Epoch]]) -> tuple[AroundSwitch, ...]:
    """The mean over each run's turns, then over the runs; offset 0 is the first step of a turn."""
    by_offset: dict[int, list[float]] = defaultdict(list)
    for epochs in runs:
        for offset, values in _excesses(epochs).items():
            by_offset[offset].append(fmean(values))
    return tuple(AroundSwitch(offset, sample(values)) for offset, values in sorted(by_offset.items()))


def _excesses(epochs: Sequence[Epoch]) -> dict[int, list[float]]:
    """By offset: the losses of one run minus the mean of their epoch, which takes the trend of training out."""
    found: dict[int, list[float]] = defaultdict(list)
    for epoch in epochs:
        level = fmean(epoch.losses)
        for start in turns_of(epoch):
            first, stop = max(0, start - STEPS_BEFORE), start + STEPS_AFTER + 1
            for place, loss in enumerate(epoch.losses[first:stop], first):
                found[place - start].append(loss - level)
    return found
