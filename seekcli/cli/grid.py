"""`seek grid`: the points of a grid file, planned or run one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.grid_workers import run_with_workers, slots_for
from seekcli.cli.options import set_layers
from seekcli.cli.output import say, say_json
from seekcli.cli.progress import STYLES
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput, SeekError, unknown, visible
from seekcli.plain_data import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seekcli.cli.stop import StopSwitch
    from seekcli.config.layers import Resolved
    from seekcli.grid.plan import Point

commands = typer.Typer(no_args_is_help=True, help="Plan or run the points of a grid file.")

GridFile = Annotated[Path, typer.Argument(help="A grid file, such as grids/digits.toml.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="A setting for every point: section.key=value.")]


@commands.command("plan")
def plan_command(
    grid: GridFile,
    out: Out = Path("results"),
    assignments: Assignments = None,
    format_name: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List the runs of a grid and where each stands; trains nothing."""
    from seekcli.data.sets.summary import summary_ahead
    from seekcli.data.splitting.overlap import overlap_ahead
    from seekcli.grid.plan import points_of_grid

    if format_name not in ("table", "json"):
        raise unknown("--format", format_name, ("table", "json"))
    with listings_kept():
        points = points_of_grid(grid, set_layers(assignments), out)
        rows = [state_row(point, out) for point in points]
        notes = [point_notes(point, row, out) for row, point in zip(rows, points, strict=True)]
        data = {summary_ahead(point.resolved.config.data): point.resolved.config.data for point in points}
        overlaps = {words: overlap_ahead(one) for words, one in data.items()}
    if format_name == "json":
        say_json(json_text(rows))
        return
    for row, point, said in zip(rows, points, notes, strict=True):
        say("\n".join([f"{row['state']:<11}{point.label}", *(f"{'':<11}{visible(note)}" for note in said)]))
    say(f"{len(rows)} runs, {sum(row['state'] == 'finished' for row in rows)} finished")
    for words, overlap in overlaps.items():
        say("\n".join(f"data       {visible(str(line))}" for line in (words, overlap) if line is not None))
    for tuning in {point.tuning.name: point.tuning for point in points if point.tuning}.values():
        say(f"before them, to choose k for {tuning.name}: {tuning.describe()}")


def point_notes(point: Point, row: dict[str, str | None], out: Path) -> list[str]:
    from seekcli.models.catalog import same_start_note
    from seekcli.runs.older_runs import old_rules_note, older_twin_note

    older = older_twin_note(out, point.resolved) if row["state"] == "new" else None
    same = same_start_note(point.resolved.config)
    return [note for note in (row["problem"], old_rules_note(point.resolved, out), older, same) if note]


@commands.command("run")
def run_grid(
    grid: GridFile,
    out: Out = Path("results"),
    assignments: Assignments = None,
    progress: Annotated[str, typer.Option(help="auto, rich, plain or json.")] = "auto",
    jobs: Annotated[int, typer.Option(help="Worker processes on this machine; each gets its part of the cores.")] = 1,
    per_gpu: Annotated[int | None, typer.Option("--per-gpu", help="Workers on each GPU, pinned to it.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of each worker (its part of the cores).")] = None,
) -> None:
    """Run every point that is not done; one that fails, or is damaged, does not keep the next from running.

    Several processes may run one grid into one results folder: each takes the points that no other has. So do the
    workers of --jobs and --per-gpu.
    """
    from seekcli.grid.plan import points_of_grid

    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    slots = slots_for(jobs, per_gpu, threads)
    with listings_kept():
        points = points_of_grid(grid, set_layers(assignments), out)
    # What takes seconds to import comes when the words are known to be right.
    from seekcli.cli.outcomes import Announcer, conclude
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import LocalEngine, Outcome
    from seekcli.runs.folder import standing_or_damage

    stop = StopSwitch()
    with stop.listening():
        if unchosen := search_first(points, out, progress, stop):
            with listings_kept():
                points = points_of_grid(grid, set_layers(assignments), out)
        runs = [point.resolved for point in points if not point.tuning]
        done = sum(standing_or_damage(out, one)[0] == "finished" for one in runs)
        say(f"{grid}: {len(points)} runs, {done} done already", err=True)
        if len(slots) > 1 or per_gpu or threads:
            runs = with_threads(runs, slots[0].threads, asked=threads is not None)
        if (len(slots) > 1 or per_gpu) and done < len(runs):
            words = worker_words(grid, out, [*(assignments or []), f"runtime.threads={runs[0].config.runtime.threads}"])
            outcomes = run_with_workers(words, slots, runs, out, stop, progress)
        else:
            outcomes = LocalEngine(out, Announcer(progress, len(runs) - done), stop.reason).run(runs)
    waiting = [Outcome(one.resolved, "failed", error=unchosen[one.tuning.name]) for one in points if one.tuning]
    conclude([*outcomes, *waiting], out, grid.name)


def with_threads(runs: Sequence[Resolved], threads: int, asked: bool) -> list[Resolved]:
    """All points get one number of threads, since it changes last digits: the grid's own where it has one.

    Raises BadInput where the grid has several, or another than was asked for.
    """
    own = sorted({one.config.runtime.threads for one in runs if one.config.runtime.threads})
    if len(own) > 1 or (asked and own not in ([], [threads])):
        has = " and ".join(map(str, own))
        raise BadInput(f"--threads {threads}: the grid says runtime.threads = {has}; its points need one number")
    return [one.updated({"runtime.threads": own[0] if own else threads}, "--threads") for one in runs]


def worker_words(grid: Path, out: Path, assignments: Sequence[str]) -> list[str]:
    words = ["grid", "run", str(grid), "--out", str(out), "--progress", "json"]
    return words + [word for text in assignments for word in ("--set", text)]


def state_row(point: Point, out: Path) -> dict[str, str | None]:
    """How a point stands; `problem` is what is wrong with a damaged one."""
    from seekcli.runs.folder import standing_or_damage

    state, problem = ("needs k", None) if point.tuning else standing_or_damage(out, point.resolved)
    return {"run_id": point.run_id, "state": state, "problem": problem}


def search_first(points: list[Point], out: Path, progress: str, stop: StopSwitch) -> dict[str, SeekError | None]:
    """Choose k wherever a point waits for it: by name of the search, why it failed, or None. A stop passes through."""
    from seekcli.cli.tune import try_search

    tunings = {point.tuning.name: point.tuning for point in points if point.tuning}
    return {name: try_search(tuning, out, progress, stop)[1] for name, tuning in tunings.items()}
