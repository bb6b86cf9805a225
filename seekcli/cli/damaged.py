"""What `seek compare` and `seek report` say of damaged runs: the others are shown, and each damaged one is named."""

from __future__ import annotations

from seekcli.analysis.comparison import Comparison
from seekcli.analysis.runs import DAMAGED
from seekcli.cli.output import say
from seekcli.errors import BadInputs, visible
from seekcli.report.tables import left_out_line

MOST_NAMED = 5


def refuse_damaged_alone(comparison: Comparison) -> None:
    """Raise BadInputs, a line a run, where damaged runs are all that there is."""
    if not comparison.runs_finished and {entry.state for entry in comparison.left_out} == {DAMAGED}:
        raise BadInputs(damaged_lines(comparison))


def tell_damaged(comparison: Comparison) -> None:
    """On stderr, for output that has no place for it."""
    for line in damaged_lines(comparison):
        say(f"seek: not counted: {visible(line)}", err=True)


def damaged_lines(comparison: Comparison) -> list[str]:
    """The first of them, and how many more there are."""
    damaged = [entry for entry in comparison.left_out if entry.state == DAMAGED]
    lines = [entry.reason if str(entry.path.parent) in entry.reason else left_out_line(entry) for entry in damaged]
    found = list(dict.fromkeys(lines))  # a file may be of several runs
    more = len(found) - MOST_NAMED
    return [*found[:MOST_NAMED], *([f"{more} more: seek compare names them all"] if more > 0 else [])]
