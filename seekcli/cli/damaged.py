"""What `seek compare` and `seek report` say of damaged runs, and of those that a newer seek wrote: the others are
shown, each of these is named on stderr, and the exit code is that of bad input, so that no script takes the rest for
the whole."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from seekcli.analysis.comparison import Comparison
from seekcli.analysis.left_out import DAMAGED
from seekcli.cli.output import say
from seekcli.errors import EXIT_BAD_INPUT, BadInputs, visible
from seekcli.report.tables import left_out_line
from seekcli.runs.records import NEWER

MOST_NAMED = 5


def refuse_damaged_alone(comparison: Comparison) -> None:
    """Raise BadInputs, a line for each damaged run and one for all newer ones, where there are no others."""
    if not comparison.runs_finished and comparison.left_out and not _others(comparison):
        raise BadInputs(damaged_lines(comparison))


def _others(comparison: Comparison) -> bool:
    return any(entry.state not in (DAMAGED, NEWER) for entry in comparison.left_out)


def tell_damaged(comparison: Comparison) -> None:
    for line in damaged_lines(comparison):
        say(f"seek: not counted: {visible(line)}", err=True)


def end_incomplete(comparison: Comparison, others: Sequence[str] = ()) -> None:
    """Raise typer.Exit where runs are not counted since they are damaged or newer, or `others` tell of what else is."""
    if others or damaged_lines(comparison):
        raise typer.Exit(EXIT_BAD_INPUT)


def damaged_lines(comparison: Comparison) -> list[str]:
    """The first damaged ones and how many more there are; of those that a newer seek wrote one, and their number."""
    damaged = [entry for entry in comparison.left_out if entry.state == DAMAGED]
    lines = [entry.reason if str(entry.path.parent) in entry.reason else left_out_line(entry) for entry in damaged]
    found = list(dict.fromkeys(lines))  # a file may be of several runs
    more = len(found) - MOST_NAMED
    named = [*found[:MOST_NAMED], *([f"{more} more: seek compare names them all"] if more > 0 else [])]
    newer = [entry.reason for entry in comparison.left_out if entry.state == NEWER]
    rest = f"; so were {len(newer) - 1} more of these runs" if len(newer) > 1 else ""
    return [*named, *(f"{reason}{rest}" for reason in newer[:1])]
