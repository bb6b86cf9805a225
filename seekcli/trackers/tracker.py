"""What a tracker is: it is given the rows of a run, which the run has recorded already, and shows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seekcli import files


class Point(NamedTuple):
    """What was recorded at one step, counted from 1 over the whole run: {"base/test_loss": 0.7, ...}."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """One run, as a tracker is told of it.

    `key` names the run inside a tracker: it is of this run folder alone, so that a run that starts again with --fresh
    is another one. `settings` are those that change the numbers, by dotted key. `check` raises where another process
    has taken the folder over: it is asked before a file in there is removed.
    """

    key: str
    run_id: str
    folder: Path
    settings: Mapping[str, str | float | bool]
    check: files.Check = files.unshared

    @property
    def results(self) -> Path:
        return self.folder.parents[1]


class Tracker(ABC):
    """One place that people look at runs in. Methods may raise what they like: see feed.py."""

    @abstractmethod
    def begin(self, run: TrackedRun) -> int:
        """Open the run there, or take it up. Returns the last step that it has already; 0 or less for none.

        What it has is whole up to that step, so points of later steps alone are sent.
        """

    @abstractmethod
    def log(self, points: Sequence[Point]) -> None:
        """Add points, in the order of their steps."""

    @abstractmethod
    def end(self, state: str) -> None:
        """The run is over for now: `state` is "finished", "stopped" or "failed"; a stopped one may go on later."""
