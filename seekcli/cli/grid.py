"""`seek grid`: the points of a grid file, planned or run one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.options import set_layers
from seekcli.cli.progress import STYLES
from seekcli.errors import RunFailed, Stopped, unknown

if TYPE_CHECKING:
    from seekcli.cli.stop import StopSwitch
    from seekcli.grid.plan import Point

commands = typer.Typer(no_args_is_help=True, help="Plan or run the points of a grid file.")

GridFile = Annotated[Path, typer.Argument(help="A grid file, such as grids/digits.toml.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Results folder.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="A setting for every point: section.key=value.")]


@commands.command("plan")
def plan_grid(
    grid: GridFile,
    out: Out = Path("results"),
    assignments: Assignments = None,
    format_name: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """List the runs of a grid and where each stands; trains nothing."""
    import json

    from seekcli.grid.plan import plan
    from seekcli.training.folder import standing
    from seekcli.training.older_runs import old_rules_note, older_twin_note

    if format_name not in ("table", "json"):
        raise unknown("--format", format_name, ("table", "json"))
    points = plan(grid, set_layers(assignments), out)
    rows = [
        {"run_id": point.run_id, "state": "needs k" if point.tuning else standing(out, point.resolved)}
        for point in points
    ]
    if format_name == "json":
        typer.echo(json.dumps(rows))
        return
    for row, point in zip(rows, points, strict=True):
        typer.echo(f"{row['state']:<11}{point.label}")
        older = older_twin_note(out, point.resolved) if row["state"] == "new" else None
        for note in filter(None, (old_rules_note(point.resolved), older)):
            typer.echo(f"{'':<11}{note}")
    typer.echo(f"{len(rows)} runs, {sum(row['state'] == 'finished' for row in rows)} finished")
    for tuning in {point.tuning.name: point.tuning for point in points if point.tuning}.values():
        typer.echo(f"before them, to choose k for {tuning.name}: {tuning.describe()}")


@commands.command("run")
def run_grid(
    grid: GridFile,
    out: Out = Path("results"),
    assignments: Assignments = None,
    progress: Annotated[str, typer.Option(help="auto, rich, plain or json.")] = "auto",
) -> None:
    """Run every point that is not done; one that fails does not keep the next from running."""
    from seekcli.cli.progress import make_progress
    from seekcli.cli.stop import StopSwitch
    from seekcli.grid.plan import plan
    from seekcli.training.folder import standing
    from seekcli.training.run import train as train_run

    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    points = plan(grid, set_layers(assignments), out)
    stop = StopSwitch()
    with stop.listening():
        if search_first(points, out, progress, stop):
            points = plan(grid, set_layers(assignments), out)
        failed = [point.label for point in points if point.tuning]
        points_left = [point for point in points if not point.tuning]
        waiting = [point for point in points_left if standing(out, point.resolved) != "finished"]
        typer.echo(f"{grid}: {len(points)} runs, {len(points_left) - len(waiting)} done already", err=True)
        for number, point in enumerate(waiting, 1):
            typer.echo(f"[{number}/{len(waiting)}] {point.label}", err=True)
            try:
                train_run(point.resolved, out, make_progress(progress), stop_requested=stop.reason)
            except Stopped:
                raise
            except RunFailed as error:
                failed.append(point.label)
                typer.echo(f"seek: run failed: {error}", err=True)
    if failed:
        raise RunFailed(f"{len(failed)} of {len(points)} runs failed: {', '.join(failed)}")


def search_first(points: list[Point], out: Path, progress: str, stop: StopSwitch) -> bool:
    """Choose k wherever a point waits for it; whether any did. A search that fails leaves its points waiting."""
    from seekcli.cli.tune import run_search

    tunings = {point.tuning.name: point.tuning for point in points if point.tuning}
    for tuning in tunings.values():
        try:
            run_search(tuning, out, progress, stop)
        except RunFailed as error:
            typer.echo(f"seek: search failed: {error}", err=True)
    return bool(tunings)
