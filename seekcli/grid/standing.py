"""How the points of a grid stand in a results folder: finished, running, dead, waiting for others; and how far."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.errors import BadInput, NewerFile
from seekcli.grid.plan import GridPlan
from seekcli.grid.points import Point
from seekcli.grid.tune import ChosenK, Tuning, stored_choice
from seekcli.runs.folder import RunFolder
from seekcli.runs.overlapped import overlapped
from seekcli.runs.records import NEWER, RunStatus

# In the order in which tables count them.
STATES = ("finished", "running", "unfinished", "dead", "failed", "damaged", NEWER, "refused", "new", "waits")
NOT_TO_DO = ("finished", NEWER, "refused")  # nothing is left to do of them, or nothing can be done by this seek
WHAT_HELPS = "a seek of that version can read it; --out DIR makes the run anew elsewhere"


@dataclass(frozen=True)
class Standing:
    """One run of a grid: its state, and what there is to know of it. `label` is its run id where that is known."""

    label: str
    state: str
    resolved: Resolved
    problem: str | None = None  # of a damaged, newer, failed or refused one, and what a waiting one waits for
    status: RunStatus | None = None

    @property
    def fraction_done(self) -> float:
        if self.state == "finished":
            return 1.0
        total = self.status.epochs * self.status.steps_per_epoch if self.status else 0
        return min(1.0, self.status.steps_done / total) if self.status and total else 0.0


def standings_of(points: Sequence[Point], plan: GridPlan) -> list[Standing]:
    """In the order of the points."""
    begun = names_in(plan.results / "runs")  # of thousands of points most are not there
    there = [point for point in points if point.refused is None and point.run_id in begun]
    looks = overlapped(lambda point: standing_in(plan.results, point.resolved, point.run_id), there)
    found = {point.key: one for point, one in zip(there, looks, strict=True)}
    plan.finished |= {one.label for one in found.values() if one.state == "finished"}
    return [standing_as(point, plan, found.get(point.key)) for point in points]


def names_in(folder: Path) -> frozenset[str]:
    """Of files and folders; none where it is not there."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def standing_as(point: Point, plan: GridPlan, found: Standing | None) -> Standing:
    """As its folder was `found`, where it has one, and as what it needs stands."""
    if point.refused is not None:
        return Standing(point.label, "refused", point.resolved, point.refused)
    if point.run_id is None:
        return Standing(point.label, "waits", point.resolved, waits_for(point, plan))
    found = found or Standing(point.run_id, "new", point.resolved)
    if found.state == "new" and any(not plan.is_finished(one) for one in needs_of(point, plan)):
        return Standing(point.label, "waits", point.resolved, waits_for(point, plan))
    if found.state == "new" and (reason := plan.refusals.of(point.run_id, point.resolved.config)) is not None:
        return Standing(point.run_id, "refused", point.resolved, reason)
    return found


def standings_of_runs(runs: Iterable[Resolved], results: Path) -> list[Standing]:
    """Of each, in their order, in a results folder, whatever else is there."""
    return list(overlapped(lambda one: standing_in(results, one), runs))


def standing_in(results: Path, one: Resolved, name: str | None = None) -> Standing:
    """`name` is its run id, for those who have it."""
    name = name or run_id(one.config)
    folder = RunFolder(results / "runs" / name, name, one.config)
    try:
        state, status = folder.standing_with_status(whole=False)
    except NewerFile as error:
        return Standing(name, NEWER, one, f"{error}; {WHAT_HELPS}")
    except BadInput as error:
        return Standing(name, "damaged", one, str(error))
    if state == "new":
        return Standing(name, state, one)
    if state != "finished" and folder.is_being_written:
        state = "running"
    elif state == "unfinished" and (status is None or status.state == "running"):
        state = "dead"
    return Standing(name, state, one, status.message if status and state == "failed" else None, status)


def needs_of(point: Point, plan: GridPlan) -> list[Point]:
    return [plan.by_key[key] for key in point.needs if key in plan.by_key]


def waits_for(point: Point, plan: GridPlan, states: Mapping[str, str] | None = None) -> str:
    """`waits for RUN, which failed`; of several runs the first, and how many more there are."""
    if point.source is not None:
        return f"waits for {point.source}"
    if point.tuning is not None:
        return f"waits for its k: {point.tuning.describe()}"
    left = [one for one in needs_of(point, plan) if not plan.is_finished(one)]
    if not left:
        return "waits for nothing any more: the same command goes on"
    bad = [one for one in left if (states or {}).get(one.run_id or "", "finished") != "finished"]
    first = (bad or left)[0]
    others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    return f"waits for {first.label}{others}" + (f", {which_is((states or {})[str(first.run_id)])}" if bad else "")


def which_is(state: str) -> str:
    return "which a newer seek wrote" if state == NEWER else f"which is {state}"


class Watch:
    """Looks at all runs of a plan again and again, those over folds included; finished ones are looked at once.

    `chosen` has the searches whose k others chose since the first look; their runs stay in the list.
    """

    def __init__(self, plan: GridPlan, is_asked: Callable[[Point], bool] = lambda point: True) -> None:
        self.plan, self.is_asked = plan, is_asked
        self.standings: dict[str, Standing] = {}
        self.settled_with = len(plan.finished)  # the plan was settled when so many runs were finished
        self.chosen: list[tuple[Tuning, ChosenK]] = []
        self.tunings: dict[str, Tuning] = {}
        self.look()
        self.failed_before = {name for name, one in self.standings.items() if one.state == "failed"}

    def look(self) -> None:
        self.plan.refusals.look()
        choices = self.choices()  # a worker writes its choice some time after the last run over a fold is finished
        self.chosen += choices
        if choices or len(self.plan.finished) != self.settled_with:
            self.plan.advance()
        self.settled_with = len(self.plan.finished)
        folds = {run_id(one.config): one for one in self.folds()}
        points = {point.key: point for point in filter(self.is_asked, self.plan.points)}
        known = {name: found for name in (*folds, *points) if (found := self.known(name)) is not None}
        over = [one for name, one in folds.items() if name not in known]
        left = [point for key, point in points.items() if key not in known]
        known |= {one.label: one for one in standings_of_runs(over, self.plan.results)}
        known |= {point.key: one for point, one in zip(left, standings_of(left, self.plan), strict=True)}
        self.standings = {name: known[name] for name in (*folds, *points)}

    def known(self, key: str) -> Standing | None:
        """What is known of a finished one."""
        found = self.standings.get(key)
        return found if found is not None and found.state == "finished" else None

    def folds(self) -> list[Resolved]:
        self.tunings |= self.searches()
        return [one for tuning in self.tunings.values() for _, _, one in tuning.runs()]

    def searches(self) -> dict[str, Tuning]:
        """By name, those whose k the plan does not know."""
        return {point.tuning.name: point.tuning for point in filter(self.is_asked, self.plan.points) if point.tuning}

    def choices(self) -> list[tuple[Tuning, ChosenK]]:
        """Those that stand in the results folder by now; a file that is damaged is told of by whoever needs its k."""
        found = []
        for name, tuning in self.searches().items():
            with suppress(BadInput):
                found.append((tuning, stored_choice(self.plan.results, name)))
        return [(tuning, choice) for tuning, choice in found if choice is not None]

    @property
    def failed_since(self) -> bool:
        return any(one.state == "failed" and name not in self.failed_before for name, one in self.standings.items())

    def count(self, state: str) -> int:
        return sum(one.state == state for one in self.standings.values())


def failed_points(plan: GridPlan) -> frozenset[str]:
    """Keys of the points that have failed, and of those that wait for them, at whatever distance."""
    standings = zip(plan.points, standings_of(plan.points, plan), strict=True)
    found = {point.key for point, one in standings if one.state == "failed"}
    while more := {point.key for point in plan.points if found & set(point.needs)} - found:
        found |= more
    return frozenset(found)


def other_trouble(plan: GridPlan) -> str:
    """`; 2 damaged, 1 refused: ...`, of what `retry` does not repeat; nothing where there is none."""
    states = [one.state for one in standings_of(plan.points, plan)]
    found = [f"{states.count(state)} {state}" for state in ("damaged", NEWER, "refused") if state in states]
    return f"; {', '.join(found)}: `seek grid status` says what helps" if found else ""
