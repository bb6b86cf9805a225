"""Runs that are compared with nothing, and in what state they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.errors import BadInput, NewerFile
from seekcli.runs.model_files import AFRESH
from seekcli.runs.records import NEWER

if TYPE_CHECKING:
    from seekcli.analysis.runs import ArmSettings

# Over a fold of a search for k; finished, but without the metric; with a file that is not whole, or of another run.
# NEWER: written by a newer seek.
FOLD, UNMEASURED, DAMAGED = "fold", "unmeasured", "damaged"


@dataclass(frozen=True)
class LeftOut:
    """A run that is in no group, and why."""

    run_id: str
    path: Path
    state: str
    reason: str
    seed: int | None = None
    settings: ArmSettings | None = None


def state_after(error: BadInput) -> str:
    """Of a run whose files raised it."""
    return NEWER if isinstance(error, NewerFile) else DAMAGED


def with_help(one: LeftOut) -> LeftOut:
    """What is damaged in a run folder is told with what helps, where its reason does not say so itself."""
    told = "--fresh" in one.reason or "; remove " in one.reason
    return one if one.state != DAMAGED or told or one.path.is_file() else replace(one, reason=f"{one.reason}; {AFRESH}")
