"""Which runs of a grid can be run now: those whose needs are finished, and before them the folds that a k needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.local import Outcome
from seekcli.errors import BadInput, RunFailed, SeekError
from seekcli.grid.plan import GridPlan
from seekcli.grid.points import Point
from seekcli.grid.standing import needs_of, waits_for
from seekcli.grid.tune import Tuning, search
from seekcli.report.tuning import search_text


class PointQueue:
    """Hands out each run of a plan once, with the settings of `laid` over it. `tell` is told of every k chosen."""

    def __init__(
        self,
        plan: GridPlan,
        laid: Mapping[str, Any] | None = None,
        is_asked: Callable[[Point], bool] = lambda point: True,
        tell: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.plan, self.laid, self.is_asked, self.tell = plan, dict(laid or {}), is_asked, tell
        self.given: dict[str, Resolved] = {}
        self.ended: dict[str, Outcome] = {}
        self.unchosen: dict[str, str] = {}  # name of a search -> why it chose no k
        self.searched: set[str] = set()

    @property
    def points(self) -> list[Point]:
        return [point for point in self.plan.points if self.is_asked(point)]

    def more(self, outcomes: Sequence[Outcome]) -> list[Resolved]:
        """What can be run now and has not been handed out, given how the others ended."""
        return [self.give(one) for _, one in self.ready(outcomes)]

    def ready(self, outcomes: Sequence[Outcome]) -> list[tuple[int, Resolved]]:
        """The same without handing it out, each with its place among the folds or among the points of the plan."""
        named = {run_id(one.resolved.config): one for one in outcomes}
        new = {name: one for name, one in named.items() if name not in self.ended}
        self.ended |= new
        done = {name for name, one in new.items() if one.state == "finished"}
        self.plan.finished |= done
        if self.choose() or done:
            self.plan.advance()
        runs = [*enumerate(one for tuning in self.searches() for _, _, one in tuning.runs())]
        runs += [
            (place, point.resolved)
            for place, point in enumerate(self.plan.points)
            if point.run_id is not None and self.is_asked(point) and self.has_needs(point)
        ]
        return [(place, one) for place, one in runs if run_id(one.config) not in self.given]

    def give(self, one: Resolved) -> Resolved:
        handed = one.updated(self.laid, "--threads") if self.laid else one
        self.given[run_id(one.config)] = handed
        return handed

    def has_needs(self, point: Point) -> bool:
        return all(self.plan.is_finished(one) for one in needs_of(point, self.plan)) or self.plan.is_finished(point)

    def searches(self) -> list[Tuning]:
        """Those that are still to be made."""
        found = {point.tuning.name: point.tuning for point in self.points if point.tuning}
        return [tuning for name, tuning in found.items() if name not in self.searched]

    def choose(self) -> bool:
        """Choose k by the searches whose runs have all ended; whether one was chosen."""
        chosen = False
        for tuning in self.searches():
            names = [run_id(one.config) for _, _, one in tuning.runs()]
            if all(name in self.ended for name in names):
                self.searched.add(tuning.name)
                chosen |= self.choose_by(tuning, [self.ended[name] for name in names])
        return chosen

    def choose_by(self, tuning: Tuning, outcomes: Sequence[Outcome]) -> bool:
        failed = sum(one.status is None for one in outcomes)
        try:
            if failed:
                raise RunFailed(f"{failed} of {len(outcomes)} runs over folds failed, so that no k is chosen")
            statuses = {run_id(one.resolved.config): one.status for one in outcomes if one.status}
            found, note = search(tuning, self.plan.results, statuses)
        except SeekError as error:
            self.unchosen[tuning.name] = str(error)
            return False
        self.tell(search_text(found) + (f"\nnote: {note}" if note else ""))
        return True

    def waiting(self) -> list[Outcome]:
        """At the end: the points that could not be run, and what each waits for."""
        left = [point for point in self.points if point.run_id not in self.given]
        return [self.left_out(one) for one in left]

    def left_out(self, point: Point) -> Outcome:
        if point.refused is not None:
            return Outcome(point.resolved, "refused", error=BadInput(point.refused), label=point.label)
        return Outcome(point.resolved, "waiting", error=RunFailed(self.reason(point)), label=point.label)

    def reason(self, point: Point) -> str:
        if point.tuning is not None:
            return f"waits for its k: {self.unchosen.get(point.tuning.name, 'it is not chosen yet')}"
        return waits_for(point, self.plan, {name: one.state for name, one in self.ended.items()})
