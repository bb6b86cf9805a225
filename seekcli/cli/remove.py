"""`seek remove`: runs that are named are removed, with all that is in their folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.output import say
from seekcli.errors import BadInput, counted, human_bytes, visible


def remove(
    runs: Annotated[list[str], typer.Argument(help="Run folders, run ids, or the hashes that end them.")],
    out: Annotated[Path, typer.Option(help="Results folder that run ids are looked for in.")] = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove runs for good: their folders and all that is in them. One that is running is left as it is."""
    from seekcli.grid.forecast import size_of
    from seekcli.runs.removal import folders_to_remove, remove_run

    folders = folders_to_remove(runs, out)
    for folder in folders:
        say(f"{human_bytes(size_of(folder)):>9}  {visible(folder.name)}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("--yes: without it somebody has to be asked, and nobody is at this terminal")
        if not typer.confirm(f"Remove {counted(len(folders), 'run')} for good?"):
            say("nothing is removed", err=True)
            return
    for folder in folders:
        remove_run(folder)
    say(f"{counted(len(folders), 'run')} removed", err=True)
