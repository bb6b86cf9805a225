"""`seek grid run --jobs`: worker processes, and one bar or a line a run for all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.cli.output import say
from seekcli.cli.progress import measured
from seekcli.engines.slots import Slot, cpu_slots, fitting_slots, gpu_slots, visible_gpus
from seekcli.errors import BadInput, SeekError, one_line, shown_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seekcli.engines.engine import Engine
    from seekcli.grid.points import Point
    from seekcli.grid.standing import Standing, Watch
    from seekcli.grid.tune import ChosenK, Tuning

MOST_JOBS = 256
AUTO = "auto"
PLAIN_ROLES = {"base": "base", "motivated": "larger"}


def parse_jobs(words: str) -> int | None:
    """None for `auto`. Raises BadInput."""
    if words == AUTO:
        return None
    try:
        return int(words)
    except ValueError:
        raise BadInput(f"--jobs {shown_value(words)}: expected auto or 1 to {MOST_JOBS}") from None


def slots_for(jobs: int | None, per_gpu: int | None, threads: int | None) -> list[Slot]:
    """Empty where that is left to `fitting`. Raises BadInput, naming the flag, for numbers that cannot be."""
    for flag, value in (("--jobs", jobs), ("--per-gpu", per_gpu), ("--threads", threads)):
        if value is not None and not 1 <= value <= MOST_JOBS:
            raise BadInput(f"{flag} {value}: expected 1 to {MOST_JOBS}")
    if per_gpu is None:
        return [] if jobs is None else cpu_slots(jobs, threads)
    if jobs not in (None, 1):
        raise BadInput("--jobs counts workers on this machine and --per-gpu those on each GPU: give one of the two")
    gpus = visible_gpus()
    if not gpus:
        instead = "; --jobs N starts N workers on the CPU" if jobs is None else ""  # not of `seek grid work`
        raise BadInput(f"--per-gpu {per_gpu}: there is no CUDA device here{instead}")
    return gpu_slots(per_gpu, gpus, threads)


def fitting(points: Sequence[Point], threads: int | None) -> list[Slot]:
    """`--jobs auto`: one worker on each GPU, else workers that share the cores; one means this process."""
    devices = {point.resolved.config.runtime.device for point in points}
    if "cuda" in devices:
        gpus = visible_gpus()
        return gpu_slots(1, gpus[: len(points)], threads) if len(gpus) > 1 else []
    return fitting_slots(len(points), threads) if devices == {"cpu"} else []


def watch_workers(
    workers: Engine, watch: Watch, stop_requested: Callable[[], str | None], style: str, fail_fast: bool
) -> None:
    """Until all have ended: a bar, or a line for each run that has ended; and a line for each k. Raises Stopped.

    With `fail_fast` the workers are asked to stop, and save, as soon as a run has failed.
    """
    stopping, told = False, 0
    with told_by(watch, style) as tell:

        def tick() -> None:
            nonlocal stopping, told
            watch.look()
            tell()
            for tuning, choice in watch.chosen[told:]:
                say(choice_text(tuning, choice, watch.plan.results), err=True)
            told = len(watch.chosen)
            if fail_fast and watch.failed_since and not stopping:
                stopping = True
                workers.cancel()

        workers.watch(stop_requested, tick)
    if not stopping and (complaint := workers.complaint()):
        say(f"seek: {complaint}", err=True)


def choice_text(tuning: Tuning, choice: ChosenK, results: Path) -> str:
    """The k that a worker chose, under the table of what the folds said, as `seek tune` shows it."""
    from seekcli.engines.workers import statuses_of
    from seekcli.grid.tune import searched
    from seekcli.report.tuning import search_text

    said = f"chosen: {choice.describe()}; {choice.name}"
    with suppress(SeekError, ValueError):  # a run over a fold is gone by now
        found = searched(tuning, statuses_of(results, [one for _, _, one in tuning.runs()]))
        return f"{search_text(found)}\n{said}"
    return said


@contextmanager
def told_by(watch: Watch, style: str) -> Iterator[Callable[[], None]]:
    """What to call after each look: it draws the bar, or tells of each run that has ended since."""
    if style == "rich" or (style == "auto" and sys.stderr.isatty()):
        with bar_of(watch) as tell:
            yield tell
        return
    told = {name: in_words(one) for name, one in watch.standings.items()}  # one that failed before is tried again

    def tell_lines() -> None:
        for name, one in watch.standings.items():
            if (words := in_words(one)) is not None and told.get(name) != words:
                told[name] = words
                ended = sum(each is not None for each in told.values())
                say(f"[{ended}/{len(watch.standings)}] {one.label} {words}", err=True)

    yield tell_lines


def in_words(one: Standing) -> str | None:
    """`finished: base 97.41 %, larger 96.30 %`, or why it failed; None for one that has not ended."""
    if one.state == "failed":
        return f"failed: {one_line(one.problem or 'no reason is recorded')}"
    if one.state != "finished" or one.status is None:
        return None
    models = ", ".join(f"{PLAIN_ROLES[row['role']]} {measured(row)}" for row in one.status.final)
    return f"finished: {models}"


@contextmanager
def bar_of(watch: Watch) -> Iterator[Callable[[], None]]:
    """One bar for the whole grid, by steps: a run counts as long as its steps take, whichever run it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("grid", total=len(watch.standings))

        def draw() -> None:
            done = sum(one.fraction_done for one in watch.standings.values())
            words = f"{watch.count('running')} running"
            bar.update(task, completed=round(done, 2), total=len(watch.standings), description=words)

        yield draw
