"""The loop over runs, one after the other in this process: each run has its own outcome, and none stops the next.

Several processes, on several machines, may work through one list into one results folder. Each takes the runs that no
other process has, and comes back to the others when it has nothing else to do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.run import StopReason, train_run
from seekcli.errors import (
    TRACEBACK,
    BadInput,
    DamagedRun,
    HeldElsewhere,
    LostLease,
    NewerFile,
    RunFailed,
    SeekError,
    Stopped,
    unforeseen,
)
from seekcli.grid.refusals import record_refusals
from seekcli.ranks import ALONE, Ranks
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import clear_dead_lease, require_no_owner
from seekcli.runs.records import RunStatus
from seekcli.train.progress import Progress

# How often a run that another process writes is looked at: little against a run, and nothing for a file server.
POLL_SECONDS = 5.0
STOP_POLL_SECONDS = 0.2
OutcomeState = Literal["finished", "failed", "damaged", "newer", "refused", "waiting", "not begun"]


@dataclass(frozen=True)
class Outcome:
    """How one run of the list ended: with its status when it is finished, else with the error that says why not."""

    resolved: Resolved
    state: OutcomeState
    status: RunStatus | None = None
    error: Exception | None = None
    label: str | None = None  # of one whose run id is not known yet

    @property
    def cause(self) -> str:
        """One line that says why it is not finished; empty where it is."""
        if self.error is None:
            return ""
        return str(self.error) if isinstance(self.error, SeekError) else unforeseen(self.error)[0]

    @property
    def refusal(self) -> str | None:
        """Why it was not begun, where that is for its settings or its data and not for who has its folder."""
        return self.cause if self.state == "refused" and not isinstance(self.error, HeldElsewhere) else None


class Observer:
    """What the loop tells whoever watches it. Silent by default: every method may be overridden."""

    def begins(self, resolved: Resolved, state: str) -> Progress:
        """A run is about to be trained; `state` is how it stands. Returns what the run itself is watched by."""
        return Progress()

    def ended(self, outcome: Outcome, begun: bool) -> None:
        """The outcome of a run is known; `begun` says whether it was trained here."""

    def waits(self, held: Sequence[HeldElsewhere]) -> None:
        """All that is left is written by other processes (told once for each set of them)."""


# Of the outcomes so far, the runs that can be run now and could not before.
More = Callable[[Sequence[Outcome]], Sequence[Resolved]]
# Whether a run that another process writes is waited for.
WaitsFor = Callable[[Resolved], bool]
NOT_BEGUN = "not begun, since another run failed (--fail-fast)"


class LocalEngine:
    """Runs a list of runs into one results folder; `run` gives the outcomes in the order of the list.

    Of runs that failed before those are tried again that `again` says (by run id), without it all. With `fail_fast`
    nothing is begun after the first run that is not finished.
    """

    def __init__(
        self,
        results: Path,
        observer: Observer,
        stop_requested: StopReason = lambda: None,
        *,
        fresh: bool = False,
        fail_fast: bool = False,
        again: Collection[str] | None = None,
        poll_seconds: float = POLL_SECONDS,
        ranks: Ranks | None = None,
    ) -> None:
        self.results, self.observer, self.stop_requested = results, observer, stop_requested
        self.fresh, self.fail_fast, self.again, self.poll_seconds = fresh, fail_fast, again, poll_seconds
        self.ranks = ranks or ALONE

    def run(
        self, runs: Sequence[Resolved], wait: bool | WaitsFor = True, more: More = lambda ended: ()
    ) -> list[Outcome]:
        """Train what is not finished. A run of another process is waited for; without `wait` it is refused.

        `wait` may also be a question that is asked of each such run.

        `more` is asked for further runs after each pass over those that are left. Raises BadInput where no run can be
        kept in the results folder, and Stopped when a stop is requested.
        """
        listed: list[Resolved] = []
        states: list[str] = []
        self.take(runs, listed, states)
        outcomes: dict[int, Outcome] = {}
        told: list[str] = []
        while left := [number for number in range(len(listed)) if number not in outcomes]:
            held = self.pass_over(listed, left, states, outcomes)
            refused = [number for number in held if not (wait(listed[number]) if callable(wait) else wait)]
            for number in refused:
                outcomes[number] = self.end(Outcome(listed[number], "refused", error=held.pop(number)))
            if self.is_to_end(outcomes):
                break
            new = more([outcomes[number] for number in sorted(outcomes)])
            self.take(new, listed, states)
            if held and len(held) + len(refused) == len(left) and not new:
                told = self.wait(list(held.values()), told)
        return [outcomes.get(number, not_begun(one)) for number, one in enumerate(listed)]

    def take(self, runs: Sequence[Resolved], listed: list[Resolved], states: list[str]) -> None:
        """Add runs to the list, and how they stand. Raises BadInput where they could not be kept."""
        for one in runs:
            files.require_possible_path(RunFolder.of(self.results, one.config).path)
        new = [RunFolder.of(self.results, one.config).standing_or_damage()[0] for one in runs]
        if runs and (self.fresh or set(new) != {"finished"}):
            files.require_writable_folders(self.results)
            files.require_results_folder(self.results)
        listed += runs
        states += new

    def is_to_end(self, outcomes: Mapping[int, Outcome]) -> bool:
        return self.fail_fast and any(outcome.error is not None for outcome in outcomes.values())

    def pass_over(
        self, runs: Sequence[Resolved], left: Sequence[int], states: Sequence[str], outcomes: dict[int, Outcome]
    ) -> dict[int, HeldElsewhere]:
        """Attempt each run that is left and note its outcome. Returns those that other processes write."""
        held: dict[int, HeldElsewhere] = {}
        for number in left:
            if self.is_to_end(outcomes):
                break
            try:
                outcomes[number] = self.attempt(runs[number], self.is_tried_again(runs[number], states[number]))
            except HeldElsewhere as error:
                held[number] = error
        return held

    def is_tried_again(self, one: Resolved, state: str) -> bool:
        return state == "failed" if self.again is None else run_id(one.config) in self.again

    def attempt(self, one: Resolved, tried_again: bool) -> Outcome:
        """The outcome of one run; one that has failed is begun where it is to be tried again.

        Raises HeldElsewhere where another process writes it, and Stopped.
        """
        begun = False
        try:
            folder = RunFolder.of(self.results, one.config)
            state = "new" if self.fresh else folder.standing()
            if state == "finished":
                clear_dead_lease(folder.path)
                return self.end(Outcome(one, "finished", folder.status()))
            require_no_owner(folder.path)
            if state == "failed" and not tried_again:
                raise RunFailed(self.message_of(one))  # in another process, since this loop began
            begun = True
            progress = self.observer.begins(one, state)
            status = train_run(
                one, self.results, progress, fresh=self.fresh, stop_requested=self.stop_requested, ranks=self.ranks
            )
            return self.end(Outcome(one, "finished", status), begun)
        except (Stopped, HeldElsewhere):
            raise
        except LostLease as error:
            raise HeldElsewhere(str(error)) from None
        except Exception as error:  # whatever it is, the runs after it are not to blame
            if os.environ.get(TRACEBACK):
                raise
            return self.end(Outcome(one, state_after(error), error=error), begun)

    def end(self, outcome: Outcome, begun: bool = False) -> Outcome:
        self.observer.ended(outcome, begun)
        return outcome

    def message_of(self, one: Resolved) -> str:
        """Why a run failed in another process."""
        message = RunFolder.of(self.results, one.config).status().message
        return f"{message} (in another process)" if self.again is None else str(message)

    def wait(self, held: Sequence[HeldElsewhere], told: list[str]) -> list[str]:
        """Wait a while, telling of what for where it has not been told yet. Raises Stopped."""
        owners = [error.owner for error in held]
        if owners != told:
            self.observer.waits(held)
        until = time.monotonic() + self.poll_seconds
        while time.monotonic() < until:
            if reason := self.stop_requested():
                raise Stopped(f"{reason}: {len(held)} runs are left, which other processes write")
            time.sleep(min(STOP_POLL_SECONDS, self.poll_seconds))
        return owners


def keep_refusals(results: Path, outcomes: Sequence[Outcome]) -> None:
    """Record which runs were refused, for `seek grid status`."""
    record_refusals(results, [(run_id(one.resolved.config), one.refusal) for one in outcomes])


def not_begun(one: Resolved) -> Outcome:
    return Outcome(one, "not begun", error=RunFailed(NOT_BEGUN))


def state_after(error: Exception) -> OutcomeState:
    if isinstance(error, DamagedRun):
        return "damaged"
    if isinstance(error, NewerFile):
        return "newer"
    return "refused" if isinstance(error, BadInput) else "failed"
