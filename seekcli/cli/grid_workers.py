"""`seek grid run --jobs N`: worker processes, and one bar or a line a run for all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.cli.output import say
from seekcli.cli.progress import measured
from seekcli.config.layers import Resolved
from seekcli.engines.slots import Slot, cpu_slots, gpu_slots, visible_gpus
from seekcli.errors import BadInput, one_line

if TYPE_CHECKING:
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import Outcome
    from seekcli.engines.workers import Workers
    from seekcli.runs.records import RunStatus

MOST_JOBS = 256
ENDED = ("finished", "failed")


def slots_for(jobs: int, per_gpu: int | None, threads: int | None) -> list[Slot]:
    """Raises BadInput, naming the flag, for numbers that cannot be."""
    for flag, value in (("--jobs", jobs), ("--per-gpu", per_gpu), ("--threads", threads)):
        if value is not None and not 1 <= value <= MOST_JOBS:
            raise BadInput(f"{flag} {value}: expected 1 to {MOST_JOBS}")
    if per_gpu is None:
        return cpu_slots(jobs, threads)
    if jobs != 1:
        raise BadInput("--jobs counts workers on this machine and --per-gpu those on each GPU: give one of the two")
    gpus = visible_gpus()
    if not gpus:
        raise BadInput(f"--per-gpu {per_gpu}: there is no CUDA device here; --jobs N starts N workers on the CPU")
    return gpu_slots(per_gpu, gpus, threads)


def run_with_workers(
    words: Sequence[str], slots: Sequence[Slot], runs: Sequence[Resolved], out: Path, stop: StopSwitch, style: str
) -> list[Outcome]:
    """The outcomes, in the order of the runs. `words` is the command of a worker. Raises Stopped."""
    from seekcli.cli.outcomes import Announcer
    from seekcli.engines.local import LocalEngine
    from seekcli.engines.workers import Workers, outcomes_of

    gpus = f", GPUs {', '.join(dict.fromkeys(slot.gpu for slot in slots if slot.gpu))}" if slots[0].gpu else ""
    threads = runs[0].config.runtime.threads
    say(f"{len(slots)} workers with {threads} threads each{gpus}", err=True)
    with Workers(words, slots) as workers:
        if style == "rich" or (style == "auto" and sys.stderr.isatty()):
            with_bar(workers, runs, out, stop)
        else:
            workers.wait(stop.reason, lines_of(runs, out))
        if complaint := workers.complaint():
            say(f"seek: {complaint}; this process goes on with what is left", err=True)
        return outcomes_of(out, runs, LocalEngine(out, Announcer(style, 0), stop.reason))


def lines_of(runs: Sequence[Resolved], out: Path) -> Callable[[], None]:
    """To be called now and then: tells of each run that has ended since."""
    from seekcli.engines.workers import statuses_of

    def ended() -> dict[str, str]:
        return {run_id: in_words(one) for run_id, one in statuses_of(out, runs).items() if one.state in ENDED}

    told = ended()  # a run that failed before is tried again, and told of where that ends otherwise

    def tick() -> None:
        for run_id, words in ended().items():
            if told.get(run_id) != words:
                told[run_id] = words
                say(f"[{len(told)}/{len(runs)}] {run_id} {words}", err=True)

    return tick


def in_words(status: RunStatus) -> str:
    """`finished: base 97.41 %, larger 96.30 %`, or why it failed."""
    if status.state == "failed":
        return f"failed: {one_line(status.message or 'no reason is recorded')}"
    models = ", ".join(f"{row['role']} {measured(row)}" for row in status.final)
    return f"finished: {models}"


def with_bar(workers: Workers, runs: Sequence[Resolved], out: Path, stop: StopSwitch) -> None:
    """One bar for the whole grid, by steps: a run counts as long as its steps take, whichever run it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from seekcli.engines.workers import statuses_of

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("grid", total=len(runs))

        def tick() -> None:
            found = statuses_of(out, runs).values()
            done = sum(fraction_done(status.steps_done, status.epochs * status.steps_per_epoch) for status in found)
            running = sum(status.state == "running" for status in found)
            bar.update(task, completed=round(done, 2), description=f"{running} running")

        workers.wait(stop.reason, tick)


def fraction_done(steps: int, total: int) -> float:
    return min(1.0, steps / total) if total else 0.0
