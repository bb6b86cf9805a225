"""What a command over several runs tells of them: a line before each, its failure at once, a table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.cli.output import say
from seekcli.cli.progress import make_progress
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.local import Observer, Outcome
from seekcli.errors import BadInput, HeldElsewhere, RunFailed, counted, one_line, visible
from seekcli.grid.standing import WHAT_HELPS
from seekcli.report.repeat import command_of
from seekcli.runs.records import NEWER
from seekcli.train.progress import Progress

if TYPE_CHECKING:
    from seekcli.runs.records import RunStatus

SILENT = "silent"
# Nothing is wrong with these themselves: the same command goes on with them.
NEVER_BEGUN = ("waiting", "not begun")
NOT_RUN = "never begun"


class Announcer(Observer):
    """Tells of the runs on stderr. `total` of them are to be done; one alone is not announced by a number.

    The hint is told of the first that starts."""

    def __init__(
        self,
        style: str,
        total: int,
        notes_of: Callable[[Resolved, str], list[str]] = lambda resolved, state: [],
        report: Callable[[RunStatus, Resolved], None] = lambda status, resolved: None,
        *,
        hint_of: Callable[[Resolved], str | None] = lambda resolved: None,
        alone: bool = False,
    ) -> None:
        self.style, self.total, self.notes_of, self.report, self.alone = style, total, notes_of, report, alone
        self.hint_of, self.begun = hint_of, 0

    def begins(self, resolved: Resolved, state: str) -> Progress:
        self.begun += 1
        if not self.alone:
            say(f"[{self.begun}/{max(self.begun, self.total)}] {run_id(resolved.config)}", err=True)
        hint = self.hint_of(resolved) if self.begun == 1 else None
        progress = Progress() if self.style == SILENT else make_progress(self.style, hint)
        for note in self.notes_of(resolved, state):
            progress.note(note)
        return progress

    def ended(self, outcome: Outcome, begun: bool) -> None:
        if outcome.status is not None:
            for note in [] if begun or self.style == SILENT else self.notes_of(outcome.resolved, "finished"):
                make_progress(self.style).note(note)
            self.report(outcome.status, outcome.resolved)
        elif not self.alone and outcome.state != "refused":  # what is refused is often so for one reason: see the end
            say(f"seek: run {outcome.state}: {one_line(outcome.cause)}", err=True)

    def waits(self, held: Sequence[HeldElsewhere]) -> None:
        more = f" (and {len(held) - 1} more runs)" if len(held) > 1 else ""
        say(f"waiting: {one_line(str(held[0]))}{more}", err=True)


def conclude(outcomes: Sequence[Outcome], out: Path, grid: str = "") -> None:
    """Where runs are not finished: a table of why, with the command that repeats each, and RunFailed.

    The error of one run alone is raised as it is, and so is bad input that keeps all of the runs from starting.
    """
    unfinished = [outcome for outcome in outcomes if outcome.error is not None]
    if not unfinished:
        return
    first = unfinished[0].error
    refused = {outcome.cause for outcome in outcomes if outcome.state == "refused"}
    same = all(outcome.state == "refused" for outcome in outcomes) and len(refused) == 1
    if first is not None and ((len(outcomes) == 1 and not grid) or (same and isinstance(first, BadInput))):
        raise first
    say(outcome_lines(outcomes, out, grid), err=True)
    waiting = sum(outcome.state in NEVER_BEGUN for outcome in unfinished)
    later = f", {waiting} of them {NOT_RUN}" if waiting else ""
    raise RunFailed(f"{len(unfinished)} of {len(outcomes)} runs {'are not finished' if later else 'failed'}{later}")


def outcome_lines(outcomes: Sequence[Outcome], out: Path, grid: str = "") -> str:
    """How many runs ended how; of each that is not finished the cause, and the command that repeats it."""
    counts = Counter(outcome.state for outcome in outcomes)
    lines = [f"{counted(len(outcomes), 'run')}: {', '.join(f'{count} {state}' for state, count in counts.items())}"]
    for outcome in outcomes:
        if outcome.error is not None:
            name = outcome.label or run_id(outcome.resolved.config)
            lines += [f"{outcome.state:<10}{visible(name)}", f"{'cause':<10}{one_line(outcome.cause)}"]
        if outcome.state == NEWER:
            lines.append(f"{'again':<10}{WHAT_HELPS}")
        elif outcome.error is not None and outcome.state not in NEVER_BEGUN:
            again = command_of(outcome.resolved, out, grid, fresh=outcome.state == "damaged")
            lines.append(f"{'again':<10}{again}")
    return "\n".join(lines)
