"""`seek grid work`: one of several workers that know nothing of each other but what stands in the results folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from seekcli.cli.grid_run import THREADS, Asked, plan_asked, recorded_threads, smoke_mark
from seekcli.cli.output import say
from seekcli.errors import HeldElsewhere, RunFailed, counted
from seekcli.grid.shards import Shard

if TYPE_CHECKING:
    from seekcli.engines.shard_queue import ShardQueue
    from seekcli.grid.plan import GridPlan


def work_shard(asked: Asked, shard: Shard, leave: bool) -> None:
    """Do the points of the shard, and then those that nobody does. Raises RunFailed and Stopped."""
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.starter import reason_alone

    plan = plan_asked(asked)
    plan.require_data(asked.is_asked)
    if asked.threads is None:
        asked = replace(asked, threads=recorded_threads(plan) or (asked.slots[0].threads if asked.slots else None))
    stop = StopSwitch()

    def reason() -> str | None:
        return stop.reason() or reason_alone()

    with stop.listening():
        if asked.slots:
            work_by_processes(asked, shard, leave, reason)
        else:
            work_here(asked, plan, shard, leave, reason)


def work_by_processes(asked: Asked, shard: Shard, leave: bool, stop_requested: Callable[[], str | None]) -> None:
    """By one process for each slot; the shard is split among them."""
    from seekcli.engines.engine import Work
    from seekcli.engines.workers import Workers

    slots = [replace(slot, threads=asked.threads or slot.threads) for slot in asked.slots]
    with Workers(lambda line: say(line, err=True)) as workers:
        workers.submit(Work(asked.grid.path, asked.out, asked.order(), slots, shard, leave))
        workers.watch(stop_requested)
    if codes := [process.returncode for process in workers.processes if process.returncode]:
        raise RunFailed(f"{len(codes)} of {len(slots)} workers of shard {shard} ended with a failure: see above")


def work_here(
    asked: Asked, plan: GridPlan, shard: Shard, leave: bool, stop_requested: Callable[[], str | None]
) -> None:
    from seekcli.cli.outcomes import Announcer, conclude
    from seekcli.engines.local import LocalEngine, keep_refusals
    from seekcli.engines.shard_queue import ShardQueue

    laid = {THREADS: asked.threads} if asked.threads else {}
    queue = ShardQueue(plan, shard, laid, asked.is_asked, lambda words: say(words, err=True), leave=leave)
    runs = queue.more(())
    whose = f"shard {shard} of {counted(len(queue.points), 'run')}"
    say(f"{asked.grid.path}{smoke_mark(asked)}: {whose}, {len(runs)} to look at first", err=True)
    engine = LocalEngine(
        asked.out,
        Announcer(asked.progress, len(runs)),
        stop_requested,
        fail_fast=asked.fail_fast,
        again=queue.again if asked.again is None else asked.again,
    )
    outcomes = engine.run(runs, queue.waits_for, queue.more)
    keep_refusals(asked.out, outcomes)
    say_left(queue)
    conclude([one for one in outcomes if not isinstance(one.error, HeldElsewhere)], asked.out, asked.grid.path.name)


def say_left(queue: ShardQueue) -> None:
    """What this worker leaves, since others do it, or it waits for what they do, or for what failed."""
    if left := queue.left_to_others():
        why = "other workers do them, or they wait for runs that are not finished"
        say(f"{counted(left, 'run')} left here: {why}; `seek grid status` tells", err=True)
