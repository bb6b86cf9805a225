"""`seek grid run` and `retry`: what is missing of a grid, in this process or by workers that share it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli import files
from seekcli.cli.grid_workers import watch_workers
from seekcli.cli.options import set_layers
from seekcli.cli.output import say
from seekcli.config.layers import Layers
from seekcli.config.settings_files import read_text
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput, RunFailed, counted
from seekcli.grid.schema import read_grid
from seekcli.plain_data import parse_json

if TYPE_CHECKING:
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import Outcome
    from seekcli.engines.slots import Slot
    from seekcli.grid.plan import GridPlan
    from seekcli.grid.points import Point
    from seekcli.grid.schema import GridFile
    from seekcli.grid.standing import Watch

THREADS, DEVICE = "runtime.threads", "runtime.device"
MOST_ORDER_BYTES = 64_000_000
STDIN = Path("-")


@dataclass(frozen=True)
class Asked:
    """What a command asks for. `again` are the failed runs that are tried again, None for all; `only` are keys."""

    grid: GridFile
    out: Path
    assignments: Sequence[str] = ()
    progress: str = "auto"
    fail_fast: bool = False
    threads: int | None = None
    again: frozenset[str] | None = None
    only: frozenset[str] | None = None
    slots: Sequence[Slot] = ()
    device: str | None = None  # of another machine, which trains: `auto` there is this one

    @property
    def above(self) -> Layers:
        return set_layers(list(self.assignments_there))

    @property
    def assignments_there(self) -> Sequence[str]:
        """With the device of the machine that trains, where none is named."""
        named = any(word.startswith(DEVICE) for word in self.assignments)
        named |= any(arm.choices.get(DEVICE, ["auto"]) != ["auto"] for arm in self.grid.arms)
        return self.assignments if named or self.device is None else [*self.assignments, f"{DEVICE}={self.device}"]

    def is_asked(self, point: Point) -> bool:
        return self.only is None or point.key in self.only

    def order(self) -> str:
        """What a worker is told: the text of the file as it was read, so that an edit changes nothing half-way."""
        return json.dumps({
            "text": self.grid.text, "smoke": self.grid.is_smoke, "assignments": list(self.assignments_there),
            "threads": self.threads, "fail_fast": self.fail_fast, "again": listed(self.again),
            "only": listed(self.only),
        })  # fmt: skip


def listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def asked_by_order(path: Path, out: Path, order: Path) -> Asked:
    """Of a worker, from a file; `-` is its standard input. Raises BadInput."""
    try:
        with sys.stdin.buffer if order == STDIN else order.open("rb") as file:
            told: dict[str, Any] = parse_json(file.read(MOST_ORDER_BYTES))
        grid = read_grid(path, told["smoke"], told["text"])
        again, only = (None if told[name] is None else frozenset(told[name]) for name in ("again", "only"))
        return Asked(grid, out, told["assignments"], "json", told["fail_fast"], told["threads"], again, only)
    except (ValueError, TypeError, KeyError, OSError, AttributeError) as error:  # or there is nothing to read from
        raise BadInput(
            f"--order {order}: this is how an engine tells its workers what to do (`seek grid run`): {error}"
        ) from None


def plan_asked(asked: Asked, elsewhere: bool = False) -> GridPlan:
    from seekcli.grid.plan import GridPlan

    with listings_kept():
        return GridPlan(asked.grid, asked.above, asked.out, elsewhere)


def plan_looked_at(asked: Asked) -> GridPlan:
    """For whoever trains nothing here: devices need not be here, and `auto` is that of the last submission."""
    from seekcli.grid.submission import Submissions

    if asked.device is None and (submission := Submissions.of(asked.out, asked.grid).last()) is not None:
        asked = replace(asked, device=submission.device)
    return plan_asked(asked, elsewhere=True)


def run_asked(asked: Asked, plan: GridPlan) -> list[Outcome]:
    """Run what is missing: the outcomes of all points, also of those that wait for others, and of folds.

    Raises Stopped.
    """
    plan.require_data(asked.is_asked)
    # What takes seconds to import comes when the words are known to be right.
    from seekcli.cli.outcomes import Announcer
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import LocalEngine, keep_refusals
    from seekcli.engines.queue import PointQueue
    from seekcli.grid.standing import Watch

    stop = StopSwitch()
    with stop.listening():
        with listings_kept():
            watch = Watch(plan, asked.is_asked)
        left = len(watch.standings) - watch.count("finished")
        done = watch.count("finished")
        say(f"{asked.grid.path}{smoke_mark(asked)}: {len(watch.standings)} runs, {done} done already", err=True)
        if asked.again is None:
            asked = replace(asked, again=frozenset(watch.failed_before))
        laid = {THREADS: asked.threads} if asked.threads else {}
        queue = PointQueue(plan, laid, asked.is_asked, lambda words: say(words, err=True))
        asked = replace(asked, slots=asked.slots[:left])
        by_workers = needs_workers(asked.slots)
        if by_workers:
            files.require_results_folder(asked.out)  # once and not by each of them
            work(asked, watch, stop)
        engine = LocalEngine(
            asked.out,
            Announcer(asked.progress, 0 if by_workers else left),
            stop.reason,
            fail_fast=asked.fail_fast,
            again=() if by_workers else asked.again,
        )
        outcomes = engine.run(queue.more(()), more=queue.more)
        keep_refusals(asked.out, outcomes)
    return [*outcomes, *queue.waiting()]


def smoke_mark(asked: Asked) -> str:
    return " (smoke: a small size, no result)" if asked.grid.is_smoke else ""


def needs_workers(slots: Sequence[Slot]) -> bool:
    """One run after the other on the CPU, or on the only GPU, is for this process."""
    return len(slots) > 1 or any(slot.gpu is not None for slot in slots)


def work(asked: Asked, watch: Watch, stop: StopSwitch) -> None:
    """Start the workers and watch them to their end. Raises Stopped."""
    from seekcli.engines.engine import Work
    from seekcli.engines.workers import Workers

    gpus = ", ".join(dict.fromkeys(slot.gpu for slot in asked.slots if slot.gpu))
    said = f"{counted(len(asked.slots), 'worker')} with {counted(asked.threads or 1, 'thread')} each"
    here = "; --jobs 1: in this process, one run after the other, epoch by epoch"
    say(f"{said}{f', GPUs {gpus}' if gpus else here}", err=True)
    with Workers(tell_of_trackers) as workers:
        workers.submit(Work(asked.grid.path, asked.out, asked.order(), asked.slots))
        watch_workers(workers, watch, stop.reason, asked.progress, asked.fail_fast)


def tell_of_trackers(line: str) -> None:
    """Of what workers say: that a tracker is off for a run, which no table tells. Everything else is shown by runs."""
    if line.startswith("note: --track"):
        say(line, err=True)


def grid_threads(grid: GridFile, above: Layers, asked: int | None) -> int | None:
    """The number of threads that all points have, since it changes last digits: the grid's own where it has one.

    Raises BadInput where the grid has several, or another than was asked for.
    """
    over = [values[THREADS] for _, values in above if THREADS in values]
    own = sorted({value for arm in grid.arms for value in over[-1:] or arm.choices.get(THREADS, []) if value})
    if len(own) > 1 or (asked is not None and own not in ([], [asked])):
        has = " and ".join(map(str, own))
        flag = "" if asked is None else f"--threads {asked}: "
        raise BadInput(f"{flag}the grid says runtime.threads = {has}; its points need one number")
    return own[0] if own else asked


def recorded_threads(plan: GridPlan) -> int | None:
    """What the runs of the grid that have begun were trained with, where that is one number."""
    from seekcli.runs.folder import RunFolder

    found: set[int] = set()
    for point in plan.points:
        if point.run_id is None:
            continue
        try:
            environment = RunFolder.of(plan.results, point.resolved.config).environment() or {}
            found.add(int(environment["threads"]))
        except (BadInput, KeyError, TypeError, ValueError):
            continue
        if len(found) > 1:
            return None
    return next(iter(found), None)


def conclude_grid(outcomes: Sequence[Outcome], asked: Asked) -> None:
    """Tell what is not finished, and whether the file was edited meanwhile. Raises RunFailed and BadInput."""
    from seekcli.cli.outcomes import conclude

    try:
        conclude(outcomes, asked.out, asked.grid.path.name)
    except RunFailed as failed:
        try:
            refuse_edited(asked.grid)
        except BadInput as edited:
            raise RunFailed(f"{failed}; {edited}") from None
        raise
    refuse_edited(asked.grid)


def refuse_edited(grid: GridFile) -> None:
    """Raise BadInput where the file is another than the one that was read: what was done are points of the old text."""
    try:
        same = read_text(grid.path, "grid file") == grid.text
    except BadInput:
        same = False
    if not same:
        raise BadInput(
            f"grid file {grid.path} was edited while it ran: what was done are the points of the text that it began "
            "with; the same command does what is new"
        )
