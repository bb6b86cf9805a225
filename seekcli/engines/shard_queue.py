"""The points of a grid in the order in which one of several workers takes them: its own first, then what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.local import Outcome
from seekcli.engines.queue import PointQueue
from seekcli.errors import BadInput, HeldElsewhere
from seekcli.grid.plan import GridPlan
from seekcli.grid.points import Point
from seekcli.grid.shards import Shard
from seekcli.grid.standing import needs_of
from seekcli.runs.folder import RunFolder

# Of another shard's these are left alone: what failed is tried again by its own shard only.
ENDED = ("finished", "failed")


class ShardQueue(PointQueue):
    """Hands out the points of a shard, then those of other shards that nobody does, its neighbour's first.

    So a shard that ends early helps the others, and the points of one that never starts are done too. A point that
    another worker does is waited for only where other points need it, and with `leave` never.
    """

    def __init__(
        self,
        plan: GridPlan,
        shard: Shard,
        laid: Mapping[str, Any] | None = None,
        is_asked: Callable[[Point], bool] = lambda point: True,
        tell: Callable[[str], None] = lambda words: None,
        *,
        leave: bool = False,
    ) -> None:
        super().__init__(plan, laid, is_asked, tell)
        self.shard, self.leave = shard, leave
        self.needed: set[str | None] = set()  # run ids of the points that others need
        self.again: set[str] = set()  # its own runs that had failed when it came to them: they are tried again
        self.passed: set[str] = set()  # runs of other shards that have ended

    def more(self, outcomes: Sequence[Outcome]) -> list[Resolved]:
        ready = self.ready([one for one in outcomes if not isinstance(one.error, HeldElsewhere)])
        self.needed = {need.run_id for point in self.points for need in needs_of(point, self.plan)}
        own = [one for place, one in ready if self.shard.owns(place)]
        if own:
            self.again |= {run_id(one.config) for one in own if self.status_of(one) == "failed"}
            return [self.give(one) for one in own]
        others = sorted(
            (each for each in ready if run_id(each[1].config) not in self.passed),
            key=lambda each: self.shard.distance(each[0]),
        )
        few = max(1, len(others) // (2 * self.shard.count))  # others help too, and points of its own may come up
        return [self.give(one) for one in islice((one for _, one in others if self.is_to_be_taken(one)), few)]

    def is_to_be_taken(self, one: Resolved) -> bool:
        """Of another shard's: one that nobody has ended or is doing, or whose outcome others need."""
        if self.waits_for(one) or (state := self.status_of(one)) is None:
            return True
        if state in ENDED:
            self.passed.add(run_id(one.config))
            return False
        return not RunFolder.of(self.plan.results, one.config).is_being_written

    def waits_for(self, one: Resolved) -> bool:
        """Whether a run that another worker does is waited for: one over a fold, or that others need."""
        return not self.leave and (one.config.data.folds is not None or run_id(one.config) in self.needed)

    def left_to_others(self) -> int:
        """At the end: how many points have not ended, here or elsewhere, by what their folders say."""
        return sum(
            point.run_id not in self.ended and (point.run_id is None or self.status_of(point.resolved) not in ENDED)
            for point in self.points
        )

    def status_of(self, one: Resolved) -> str | None:
        """What the run says of itself; None where it says nothing yet. Of thousands most have no folder."""
        folder = RunFolder.of(self.plan.results, one.config)
        with suppress(BadInput):
            return folder.status().state if folder.path.exists() else None
        return "unreadable"
