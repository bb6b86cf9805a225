"""`seek grid run --engine slurm|ray`: what is missing of a grid, by workers that another program starts."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seekcli import files
from seekcli.cli.grid_run import Asked, conclude_grid, plan_looked_at, recorded_threads, smoke_mark
from seekcli.cli.grid_workers import watch_workers
from seekcli.cli.output import say
from seekcli.errors import BadInput, DamagedRun, RunFailed, counted, human_hours, unknown
from seekcli.grid.engine_settings import ENGINES, MOST_ELEMENTS, Settings, read_words, require_time_for_work
from seekcli.grid.schema import GridFile
from seekcli.grid.shards import Shard
from seekcli.grid.standing import WHAT_HELPS
from seekcli.grid.submission import Submissions
from seekcli.runs.records import NEWER

if TYPE_CHECKING:
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.engine import Engine, Work
    from seekcli.engines.local import Outcome
    from seekcli.grid.plan import GridPlan
    from seekcli.grid.standing import Watch

# An element begins a Python and reads the plan: less work than this is not worth one of its own.
LEAST_MINUTES, MOST_BY_ITSELF = 15, 500
# Limits where nobody says one: for what begins and ends, and where the time of a run is not known.
LEAST_LIMIT, UNKNOWN_MINUTES = 10, 60
LOOK_SECONDS = 2.0
# States of runs that tasks go on with; what waits for them is none.
GO_ON = ("new", "unfinished", "dead")
ASKS_FOR_GPUS = ("gpus_per_task", "gpus_per_node", "cpus_per_gpu", "mem_per_gpu")


@dataclass(frozen=True)
class Chosen:
    """An engine by its name, what was said to it, and whether the command waits for the end."""

    name: str
    settings: Settings
    per_gpu: int | None = None
    wait: bool = False
    address_by: str = "--ray-address"

    @property
    def asks_for_gpus(self) -> bool:
        gres = str(self.settings.get("gres", ""))
        return any(self.settings.get(key) for key in ASKS_FOR_GPUS) or gres.startswith("gpu")


def chosen_engine(
    name: str, grid: GridFile, slurm: Sequence[str], ray_address: str | None, per_gpu: int | None, wait: bool
) -> Chosen:
    """Words of the command over the tables of the file. Raises BadInput where they or the engine cannot be."""
    if name not in ENGINES:
        raise unknown("--engine", name, ENGINES)
    for flag, engine, given in (("--slurm", "slurm", bool(slurm)), ("--ray-address", "ray", ray_address is not None)):
        if given and name != engine:
            raise BadInput(f"{flag} is for --engine {engine}, and not for --engine {name}")
    if wait and name != "slurm":
        raise BadInput(f"--wait is for --engine slurm: --engine {name} waits always")
    settings: Settings = dict(grid.engines.get(name, {}))
    if name == "slurm":
        settings |= read_words("slurm", slurm)
    elif ray_address is not None:
        settings["address"] = ray_address
    address_by = "engine.ray.address of the grid file:" if ray_address is None else "--ray-address"
    found = Chosen(name, settings, per_gpu, wait, address_by)
    if name == "slurm":
        here = "time" in read_words("slurm", slurm)
        require_time_for_work(settings, "--slurm" if here else f"grid file {grid.path}, [engine.slurm]")
    if name == "slurm" and per_gpu is not None and not found.asks_for_gpus:
        raise BadInput(f"--per-gpu {per_gpu}: the elements ask for no GPU: add --slurm gpus_per_task=1")
    return found


def run_by_slurm(asked: Asked, chosen: Chosen, failed_alone: bool) -> None:
    """Submit one array, and say so; with --wait watch it to its end. Raises BadInput, RunFailed and Stopped."""
    from seekcli.engines.engine import Work
    from seekcli.engines.slots import Slot
    from seekcli.engines.slurm import SlurmEngine
    from seekcli.grid.standing import Watch

    submissions = Submissions.of(asked.out, asked.grid)
    asked = replace(asked, device="cuda" if chosen.asks_for_gpus else "cpu")
    engine = SlurmEngine(submissions, chosen.settings, chosen.per_gpu, asked.device)
    plan, asked = planned(asked, failed_alone)
    watch = Watch(plan, asked.is_asked)
    left = [place for place, one in enumerate(watch.standings.values()) if one.state != "finished"]
    if not left:
        if not failed_alone:
            say(f"{asked.grid.path}: nothing is left to do", err=True)
        return
    hours = hours_of(watch, Watch(plan) if failed_alone else watch)
    elements, engine.settings, limit = sized(chosen, left, hours)
    share = max(1, int(chosen.settings.get("cpus_per_task", 1)) // (chosen.per_gpu or 1))
    threads = asked.threads or recorded_threads(plan) or share
    asked = replace(asked, threads=threads, again=frozenset(watch.failed_before))
    work = Work(asked.grid.path, asked.out.absolute(), asked.order(), [Slot(threads)] * elements, Shard())
    earlier = earlier_words(submissions)
    with engine:
        engine.submit(work)
        for words in filter(None, (limit, earlier)):
            say(words, err=True)
        what = f"{counted(elements, 'element')} for {counted(len(left), 'run')}"
        job = f"job {engine.submission.job}, {what}"
        say(f"{asked.grid.path}{smoke_mark(asked)}: {job}; `seek grid status` tells how far it is", err=True)
        if chosen.wait:
            watched(engine, watch, asked)


def run_by_ray(asked: Asked, chosen: Chosen, failed_alone: bool) -> None:
    """Run what is missing by tasks of Ray, and wait for them. Raises BadInput, RunFailed and Stopped."""
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.engine import Work
    from seekcli.engines.ray import RayEngine
    from seekcli.grid.standing import Watch

    gpus = float(chosen.settings.get("gpus_per_task", 0 if chosen.per_gpu is None else 1 / chosen.per_gpu))
    asked = replace(asked, device="cuda" if gpus else "cpu")
    plan, asked = planned(asked, failed_alone)
    watch = Watch(plan, asked.is_asked)
    stop = StopSwitch()
    if left := len(watch.standings) - watch.count("finished"):
        files.require_results_folder(asked.out)
        with RayEngine(chosen.settings, gpus, chosen.address_by) as engine:
            slots = engine.slots(left)
            threads = asked.threads or recorded_threads(plan) or slots[0].threads
            asked = replace(asked, threads=threads, again=frozenset(watch.failed_before))
            slots = [replace(slot, threads=threads) for slot in slots]
            work = Work(asked.grid.path.absolute(), asked.out.absolute(), asked.order(), slots, Shard())
            what = f"{counted(left, 'run')} left, {counted(len(slots), 'task')}"
            say(f"{asked.grid.path}{smoke_mark(asked)}: {what}", err=True)
            with stop.listening():
                rounds(engine, work, watch, asked, stop)
    conclude_grid(as_they_stand(watch), asked)


def rounds(engine: Engine, work: Work, watch: Watch, asked: Asked, stop: StopSwitch) -> None:
    """Tasks, and tasks again for runs whose worker died so late that its lease outlived all others. Raises Stopped."""
    while True:
        before = watch.count("finished")
        engine.submit(work)
        watch_workers(engine, watch, stop.reason, asked.progress, asked.fail_fast)
        while watch.count("running") and stop.reason() is None:  # by its lease, for a minute at most, if it is dead
            time.sleep(LOOK_SECONDS)
            watch.look()
        left = sum(watch.count(state) for state in GO_ON)
        if not left or asked.fail_fast or (watch.count("finished") == before and watch.count("failed")):
            return
        if watch.count("finished") == before:
            raise RunFailed(f"{counted(left, 'run')} left, and the last tasks finished none: see `seek grid status`")


def planned(asked: Asked, failed_alone: bool) -> tuple[GridPlan, Asked]:
    """The plan, and what is asked of it. Raises BadInput where data is missing."""
    plan = plan_looked_at(asked)
    if failed_alone:
        from seekcli.grid.standing import failed_points, other_trouble

        asked = replace(asked, only=failed_points(plan))
        if not asked.only:
            say(f"{asked.grid.path}: no point has failed{other_trouble(plan)}", err=True)
    plan.require_data(asked.is_asked)
    return plan, asked


def watched(engine: Engine, watch: Watch, asked: Asked) -> None:
    """Until the workers have ended; then what the folder says of each run. Raises RunFailed and Stopped."""
    from seekcli.cli.stop import StopSwitch

    stop = StopSwitch()
    with stop.listening():
        watch_workers(engine, watch, stop.reason, asked.progress, asked.fail_fast)
    conclude_grid(as_they_stand(watch), asked)


def as_they_stand(watch: Watch) -> list[Outcome]:
    """The outcome of each run by what its folder says; nothing is trained here."""
    from seekcli.engines.local import Outcome

    found = []
    for one in watch.standings.values():
        if one.state == "finished":
            found.append(Outcome(one.resolved, "finished", one.status))
        elif one.state == "damaged":
            found.append(Outcome(one.resolved, "damaged", error=DamagedRun(str(one.problem))))
        elif one.state == NEWER:
            said = str(one.problem).removesuffix(f"; {WHAT_HELPS}")
            found.append(Outcome(one.resolved, "newer", error=BadInput(said)))
        elif one.state == "failed":
            found.append(Outcome(one.resolved, "failed", error=RunFailed(one.problem or "no reason is recorded")))
        else:
            why = RunFailed(one.problem or f"{one.state}: the same command goes on with it")
            found.append(Outcome(one.resolved, "waiting", error=why, label=one.label))
    return found


def hours_of(watch: Watch, of_all: Watch) -> dict[int, float] | None:
    """Place -> expected hours of each run that is left, by finished runs of all; None where one is not known."""
    from seekcli.grid.forecast import Forecast

    standings = list(watch.standings.values())
    finished = [one for one in of_all.standings.values() if one.state == "finished"]
    forecast = Forecast(watch.plan.results, finished, ())
    found: dict[int, float] = {}
    for place, one in enumerate(standings):
        if one.state != "finished":
            hours = forecast.of(one).hours if finished else None
            if hours is None:
                return None
            found[place] = hours * (1 - one.fraction_done)
    return found


def sized(chosen: Chosen, left: Sequence[int], hours: Mapping[int, float] | None) -> tuple[int, Settings, str]:
    """How many elements there are, and how long each may take where nobody said: half as much again as expected.

    Also why, in words.
    """
    settings = {"job_name": "seek-grid", **chosen.settings}
    together = chosen.per_gpu or 1
    elements = settings.get("elements")
    if elements is None:
        enough = math.ceil(len(left) / together)
        if hours is not None:
            enough = min(enough, max(1, math.ceil(60 * sum(hours.values()) / (together * LEAST_MINUTES))))
        elements = min(enough, MOST_BY_ITSELF)
    if elements > MOST_ELEMENTS:
        raise BadInput(f"--slurm elements={elements}: at most {MOST_ELEMENTS:,}")
    if "time" in settings:
        return int(elements), settings, ""
    settings["time"], why = UNKNOWN_MINUTES, "no run of this kind is finished yet"
    if hours is not None:
        work: dict[int, float] = defaultdict(float)
        for place in left:
            work[place % elements] += hours[place]
        longest = max(work.values()) / together
        settings["time"] = LEAST_LIMIT + math.ceil(60 * 1.5 * longest)
        why = f"{human_hours(longest)} of work in the longest, by finished runs"
    words = f"time limit of an element: {settings['time']} min ({why}); what does not fit is queued again"
    return int(elements), settings, words


def earlier_words(submissions: Submissions) -> str:
    """Earlier arrays are left alone: leases keep them and the new one apart."""
    from seekcli.engines.slurm_queue import forget_the_gone

    jobs = [f"job {one.submission.job}" for one in forget_the_gone(submissions)]
    if not jobs:
        return ""
    them = "the two" if len(jobs) == 1 else "all of them"
    return f"note: {' and '.join(jobs)} of this grid may still be in the queue; {them} share the work"


def cancel_submitted(asked: Asked) -> None:
    """Every array of the grid that may run. Raises BadInput where nothing was submitted, or one cannot be read."""
    from seekcli.engines.slurm_queue import cancel

    submissions = Submissions.of(asked.out, asked.grid)
    every, problems = submissions.read()
    if not every and not problems:
        raise BadInput(f"nothing was submitted for this grid (nothing in {submissions.path} says so)")
    chosen = [one for one in every if one.may_run]
    if not chosen and every:
        say(f"job {every[-1].submission.job} has ended: nothing is left to cancel", err=True)
    for one in chosen:
        cancel(one)
        words = "is cancelled: runs that were under way save and stop; `seek grid run` goes on"
        say(f"job {one.submission.job} {words}", err=True)
    if problems:
        raise BadInput(problems[0])
