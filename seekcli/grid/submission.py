"""What an engine was asked to do for a grid, and how far its workers are, as it stands in the results folder.

`engines/NAME-DIGEST/` there has a folder for each submission of the grid, with the order that its workers read, their
logs, and a file for each element that has begun. Nothing in it says what is done: that stands in the run folders.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seekcli import files
from seekcli.documents import SCHEMA_VERSION, first_problem, read_document, refuse_newer, write_document
from seekcli.errors import BadInput, counted
from seekcli.grid.schema import GridFile

FOLDER, SUBMISSION = "engines", "submission.json"
WHAT_HELPS = "runs are not touched by it, nor where it is removed"
ElementWord = Literal["running", "requeued", "ended", "failed"]


class Submission(BaseModel):
    """One array of workers: `elements` of them, the job `job` of the scheduler. `device` is where runs train.

    `gone` is what the scheduler said: it knows the job no more, however many of its elements have ended.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    schema_version: int = SCHEMA_VERSION
    engine: str
    cluster: str
    job: str
    elements: int
    device: str | None = None
    submitted_at: float  # seconds since 1970
    cancelled: bool = False
    gone: bool = False


class Element(BaseModel):
    """How an element of the array stands; one that has not begun has no file."""

    model_config = ConfigDict(frozen=True, strict=True)

    schema_version: int = SCHEMA_VERSION
    number: int
    submitted_at: float  # that of its submission
    state: ElementWord
    job: str
    node: str


class Submissions:
    """The submissions of a grid, which share its work. `path` is the folder that theirs are in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, results: Path, grid: GridFile) -> Submissions:
        """Known by where the file is, since files in two folders may have one name."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", grid.path.stem).strip(".-") or "grid"
        name += f"-{hashlib.sha256(os.fsencode(grid.path.resolve())).hexdigest()[:8]}"
        return cls(results / FOLDER / (f"{name}-smoke" if grid.is_smoke else name))

    def new(self, at: float) -> SubmissionFolder:
        """The folder of one that is made at that time (seconds since 1970)."""
        return SubmissionFolder(self.path / f"{1000 * at:.0f}")

    def folders(self) -> list[SubmissionFolder]:
        """Of all submissions, the last one last."""
        found = sorted(self.path.glob(f"*/{SUBMISSION}"), key=lambda path: path.parent.name)
        return [SubmissionFolder(path.parent) for path in found]

    def read(self) -> tuple[list[Submitted], list[str]]:
        """All of them, the last one last; and what is wrong with those that are damaged or newer, as no run is."""
        found, problems = [], []
        for folder in self.folders():
            try:
                found.append(Submitted.read(folder))
            except BadInput as error:
                problems.append(str(error))
        return found, problems

    def last(self) -> Submission | None:
        """None where nothing was submitted."""
        found, _ = self.read()
        return found[-1].submission if found else None

    def live(self) -> list[Submitted]:
        """Those of which elements run or wait in the queue, as far as the folder says."""
        return [one for one in self.read()[0] if one.is_live]


class SubmissionFolder:
    """Where one submission is, or will be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def order_path(self) -> Path:
        return self.path / "order.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def read(self) -> Submission:
        """Raises BadInput, naming the file, where it is damaged or newer, or is not there."""
        path = self.path / SUBMISSION
        try:
            value = read_document(path)
            refuse_newer(path, value.get("schema_version") if isinstance(value, dict) else None)
            return Submission.model_validate(value)
        except ValidationError as error:
            raise BadInput(f"{path} is damaged ({first_problem(error)}); {WHAT_HELPS}") from None
        except BadInput as error:
            raise BadInput(f"{error}; {WHAT_HELPS}") from None

    def write(self, submission: Submission) -> None:
        write_document(self.path / SUBMISSION, submission.model_dump())

    def write_order(self, order: str) -> None:
        files.make_folder(self.path)
        files.write_text(self.order_path, order)

    def mark(self, element: Element) -> None:
        """Write how an element stands."""
        write_document(self.path / f"element-{element.number}.json", element.model_dump())

    def elements(self, submission: Submission) -> list[Element]:
        """Those that have begun; a file that is damaged or of another submission says nothing."""
        found = []
        for path in sorted(self.path.glob("element-*.json")):
            with suppress(BadInput, ValidationError):
                element = Element.model_validate(read_document(path))
                found += [element] if element.submitted_at == submission.submitted_at else []
        return found


@dataclass(frozen=True)
class Submitted:
    """A submission, and its elements that have begun."""

    folder: SubmissionFolder
    submission: Submission
    elements: list[Element]

    @classmethod
    def read(cls, folder: SubmissionFolder) -> Submitted:
        """Raises BadInput."""
        submission = folder.read()
        return cls(folder, submission, [] if submission.gone else folder.elements(submission))

    @property
    def may_run(self) -> bool:
        """Whether elements of it may run or begin, also of one that was cancelled: it may be cancelled again."""
        ended = sum(one.state in ("ended", "failed") for one in self.elements)
        return not self.submission.gone and ended < self.submission.elements

    @property
    def is_live(self) -> bool:
        """Whether elements run or wait in the queue, as far as the folder says: a lost array stays so until Slurm is
        asked of it."""
        return self.may_run and not self.submission.cancelled

    def in_words(self) -> str:
        """`slurm job 12: 4 elements, 2 running (n1, n2), 1 ended, 1 queued`"""
        one = self.submission
        counts = Counter(element.state for element in self.elements)
        nodes = ", ".join(sorted({element.node for element in self.elements if element.state == "running"}))
        parts = [f"{counts[word]} {word}" for word in ("running", "requeued", "ended", "failed") if counts[word]]
        if counts["running"]:
            parts[0] += f" ({nodes})"
        if (queued := one.elements - len(self.elements)) and not one.cancelled:
            parts.append(f"{queued} queued")
        head = f"{one.engine} job {one.job}{', cancelled' if one.cancelled else ''}"
        return ", ".join([f"{head}: {counted(one.elements, 'element')}", *parts])

    def as_data(self) -> dict[str, Any]:
        return {**self.submission.model_dump(), "begun": [one.model_dump() for one in self.elements]}
