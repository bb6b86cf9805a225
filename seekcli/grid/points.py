"""A point of a grid: one run, whose settings may be known only once what it needs has been trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from seekcli.config.layers import Layers, Resolved
from seekcli.grid.schema import Arm, GridFile
from seekcli.grid.tune import K_KEY, UNDECIDED, Tuning


@dataclass(frozen=True)
class Spec:
    """What is said of one point: `settings` by the file, as dotted keys without the seed; `over` is laid above all."""

    arm: Arm
    seed: int
    settings: Mapping[str, Any]
    over: Mapping[str, Any] = field(default_factory=dict)

    def layers(self, origin: str, above: Layers) -> Layers:
        return [(origin, {"seed": self.seed, **self.settings}), *above, *([(origin, self.over)] if self.over else [])]

    def under(self, over: Mapping[str, Any]) -> Spec:
        return replace(self, over={**self.over, **over})


def specs_of(grid: GridFile) -> Iterator[Spec]:
    """Seeds outermost, then arms, then every combination of their values."""
    for seed in dict.fromkeys(seed for arm in grid.arms for seed in arm.seeds):
        for arm in grid.arms:
            if seed in arm.seeds:
                yield from specs_of_arm(arm, seed)


def specs_of_arm(arm: Arm, seed: int) -> Iterator[Spec]:
    for values in product(*arm.choices.values()):
        yield Spec(arm, seed, dict(zip(arm.choices, values, strict=True)))


@dataclass(frozen=True)
class Point:
    """One run of a grid.

    Until what it waits for is there `run_id` is None, and `resolved` are its settings without what comes of that.
    `needs` are keys of points that are to be finished before it; `source` is what it waits for that is no point of this
    grid, with `no_data` its data set, for which another stands in `resolved`. With `motivation.k = "auto"` and
    no k chosen yet it waits for `tuning`. `refused` says why no run can be made of it, where that was seen only once
    what it needs was there. `key` stays when the run id is known.
    """

    spec: Spec
    resolved: Resolved
    key: str
    run_id: str | None
    needs: tuple[str, ...] = ()
    tuning: Tuning | None = None
    source: str | None = None
    no_data: bool = False
    refused: str | None = None

    @property
    def arm(self) -> Arm:
        return self.spec.arm

    @property
    def label(self) -> str:
        """The run id, or what will be in front of its hash, and the arm."""
        if self.run_id is not None:
            return self.run_id
        words = self.key.partition(" ")[0].rpartition("_")[0]
        if self.resolved.origins.get(K_KEY) == UNDECIDED:
            words = words.replace(f"-k{self.resolved.config.motivation.k}_", "-kauto_")
        return f"{words} ({self.arm.label})"
