"""`seek grid`: the points of a grid file, planned, run, looked at, and tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.completion import trackers
from seekcli.cli.grid_engines import cancel_submitted, chosen_engine, run_by_ray, run_by_slurm
from seekcli.cli.grid_run import (
    Asked,
    asked_by_order,
    conclude_grid,
    grid_threads,
    needs_workers,
    plan_asked,
    plan_looked_at,
    recorded_threads,
    run_asked,
)
from seekcli.cli.grid_workers import AUTO, fitting, parse_jobs, slots_for
from seekcli.cli.options import TRACK, set_layers, track_assignments
from seekcli.cli.output import ReadFormat, say
from seekcli.cli.progress import STYLES
from seekcli.errors import BadInput, unknown
from seekcli.grid.schema import read_grid
from seekcli.grid.shards import parse_shard
from seekcli.launched import refuse_several

if TYPE_CHECKING:
    from seekcli.engines.slots import Slot

commands = typer.Typer(no_args_is_help=True, help="Plan, run and watch the points of a grid file.")

GridFileOption = Annotated[Path, typer.Argument(help="A grid file, such as grids/digits.toml.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="A setting for every point: section.key=value.")]
Smoke = Annotated[
    bool, typer.Option("--smoke", help="At the small size that the file says for it: shows that all works.")
]
Style = Annotated[str, typer.Option(help="auto, rich, plain or json.")]
JOBS = "Worker processes on this machine; auto: as many as cores and memory allow, or one a GPU."
Jobs = Annotated[str, typer.Option(metavar="N", help=JOBS)]
PerGpu = Annotated[int | None, typer.Option("--per-gpu", help="Workers on each GPU, pinned to it.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of each run (a worker's part of the cores).")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Begin nothing more after the first run that fails.")]

EngineName = Annotated[str, typer.Option("--engine", help="Who starts the workers: local, slurm or ray.")]
SlurmWords = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="KEY=VALUE ...", help="For the array: partition, time, gpus_per_task and others."),
]
RayAddress = Annotated[str | None, typer.Option(help="A Ray cluster that runs; without it one on this machine.")]
TRACK_HELP = f"{TRACK[0].upper()}{TRACK[1:]}."
Track = Annotated[list[str] | None, typer.Option(help=TRACK_HELP, metavar="<choice>", autocompletion=trackers)]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the Slurm array has ended.")]


@commands.command("plan")
def plan_command(
    grid: GridFileOption,
    out: Out = Path("results"),
    assignments: Assignments = None,
    smoke: Smoke = False,
    format_name: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """List the runs of a grid: where each stands, what it waits for, what it costs; trains nothing."""
    from seekcli.cli.grid_plan import FORMATS, show_plan

    if format_name not in FORMATS:
        raise unknown("--format", format_name, FORMATS)
    asked = Asked(read_grid(grid, smoke), out, assignments or [])
    show_plan(plan_looked_at(asked), format_name)


RUN = (
    "Run every point that is not done, what it needs first; one that fails does not keep the next from running.\n\n"
    "Several processes may run one grid into one results folder: each takes the points that no other has, and takes "
    "over those of a process that died. So do the workers of --jobs and --per-gpu."
)
INSTEAD_OF_JOBS = {"slurm": "--slurm elements=N", "ray": "tasks = N in [engine.ray] of the grid file"}
RETRY = "Run the points again that failed, and those that waited for them; nothing else."


def runner(failed_alone: bool) -> Callable[..., None]:
    """The command that runs a grid: all that is missing, or what failed before alone."""

    def run(
        grid: GridFileOption,
        out: Out = Path("results"),
        assignments: Assignments = None,
        progress: Style = "auto",
        jobs: Jobs = AUTO,
        per_gpu: PerGpu = None,
        threads: Threads = None,
        fail_fast: FailFast = False,
        smoke: Smoke = False,
        engine: EngineName = "local",
        slurm: SlurmWords = None,
        ray_address: RayAddress = None,
        wait: Wait = False,
        track: Track = None,
    ) -> None:
        if progress not in STYLES:
            raise unknown("--progress", progress, STYLES)
        assignments = [*(assignments or []), *track_assignments(track)]
        file = read_grid(grid, smoke)
        chosen = chosen_engine(engine, file, slurm or [], ray_address, per_gpu, wait)
        refuse_several()
        count = parse_jobs(jobs)
        if count is not None and (instead := INSTEAD_OF_JOBS.get(engine)):
            raise BadInput(f"--jobs is for --engine local, and not for --engine {engine}: say {instead}")
        slots = slots_for(count, per_gpu if engine == "local" else None, threads)
        number = grid_threads(file, set_layers(assignments), threads)
        asked = Asked(file, out, assignments, progress, fail_fast, number)
        if engine == "local":
            run_grid(asked, slots, failed_alone)
        elif engine == "slurm":
            run_by_slurm(asked, chosen, failed_alone)
        else:
            run_by_ray(asked, chosen, failed_alone)

    return run


commands.command("run", help=RUN)(runner(failed_alone=False))
commands.command("retry", help=RETRY)(runner(failed_alone=True))


def run_grid(asked: Asked, slots: Sequence[Slot], failed_alone: bool) -> None:
    """Run it with as many workers as there are slots, or as fit where there is none."""
    grid, plan = asked.grid, plan_asked(asked)
    number = asked.threads or recorded_threads(plan)
    slots = slots or fitting(plan.points, number)
    if needs_workers(slots):
        number = number or slots[0].threads
        asked = replace(asked, slots=[replace(slot, threads=number) for slot in slots])
    asked = replace(asked, threads=number)
    if failed_alone:
        from seekcli.grid.standing import failed_points, other_trouble

        asked = replace(asked, only=failed_points(plan))
        if not asked.only:
            say(f"{grid.path}: no point has failed{other_trouble(plan)}", err=True)
            return
    conclude_grid(run_asked(asked, plan), asked)


@commands.command("status")
def status_of_grid(
    grid: GridFileOption,
    out: Out = Path("results"),
    assignments: Assignments = None,
    smoke: Smoke = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until nothing runs any more.")] = False,
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Say how far a grid is, what failed and why, and how long the rest will take."""
    from seekcli.cli.grid_status import show_status

    asked = Asked(read_grid(grid, smoke), out, assignments or [])
    show_status(plan_looked_at(asked), format_ is ReadFormat.JSON, watch)


@commands.command("cancel")
def cancel_grid(grid: GridFileOption, out: Out = Path("results"), smoke: Smoke = False) -> None:
    """End the array that was submitted for a grid: what runs saves and stops, what waits in the queue never begins."""
    cancel_submitted(Asked(read_grid(grid, smoke), out))


WORK = (
    "Do the points of a grid until none is left: one of several workers that a scheduler starts.\n\n"
    "Of N workers each does every N-th point, then those that nobody does. docs/engines.md: sbatch, xargs and others."
)


@commands.command("work", help=WORK)
def work_on_grid(
    grid: GridFileOption,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Which of how many workers this is, from 1/N to N/N.")
    ] = None,
    out: Out = Path("results"),
    assignments: Assignments = None,
    leave: Annotated[bool, typer.Option("--leave", help="Never wait for a run that another worker does.")] = False,
    progress: Style = "auto",
    per_gpu: PerGpu = None,
    threads: Threads = None,
    fail_fast: FailFast = False,
    smoke: Smoke = False,
    track: Track = None,
    order: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    assignments = [*(assignments or []), *track_assignments(track)]
    refuse_several()
    part = parse_shard("1/1" if shard is None else shard)
    slots = slots_for(1, per_gpu, threads)
    if order is not None:
        asked = replace(asked_by_order(grid, out, order), progress="json" if progress == "auto" else progress)
        if shard is None:  # a worker of this machine: it waits for the others
            from seekcli.cli.outcomes import conclude

            asked = replace(asked, progress="plain")  # its notes go to stderr, of which the engine tells some
            conclude(run_asked(asked, plan_asked(asked)), out, grid.name)
            return
    else:
        file = read_grid(grid, smoke)
        number = grid_threads(file, set_layers(assignments), threads)
        asked = Asked(file, out, assignments, progress, fail_fast, number)
    from seekcli.cli.grid_work import work_shard

    work_shard(replace(asked, slots=slots if per_gpu is not None else []), part, leave)
