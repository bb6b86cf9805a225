"""`seek grid`: the points of a grid file, planned or run one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.options import set_layers
from seekcli.cli.progress import STYLES
from seekcli.errors import RunFailed, Stopped, unknown

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

    if format_name not in ("table", "json"):
        raise unknown("--format", format_name, ("table", "json"))
    rows = [
        {"run_id": point.run_id, "state": standing(out, point.resolved)}
        for point in plan(grid, set_layers(assignments))
    ]
    if format_name == "json":
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['state']:<11}{row['run_id']}")
    typer.echo(f"{len(rows)} runs, {sum(row['state'] == 'finished' for row in rows)} finished")


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
    points = plan(grid, set_layers(assignments))
    waiting = [point for point in points if standing(out, point.resolved) != "finished"]
    typer.echo(f"{grid}: {len(points)} runs, {len(points) - len(waiting)} done already", err=True)
    failed: list[str] = []
    stop = StopSwitch()
    with stop.listening():
        for number, point in enumerate(waiting, 1):
            typer.echo(f"[{number}/{len(waiting)}] {point.run_id}", err=True)
            try:
                train_run(point.resolved, out, make_progress(progress), stop_requested=stop.reason)
            except Stopped:
                raise
            except RunFailed as error:
                failed.append(point.run_id)
                typer.echo(f"seek: run failed: {error}", err=True)
    if failed:
        raise RunFailed(f"{len(failed)} of {len(points)} runs failed: {', '.join(failed)}")
