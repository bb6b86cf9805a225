"""What an engine was asked to do for a grid, and how far its workers are, as it stands in the results folder.

`engines/NAME-DIGEST/` there holds the last submission of the grid, the order that its workers read, and a file for each
element that has begun. Nothing in it says what is done: that stands in the run folders.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seekcli import files
from seekcli.documents import SCHEMA_VERSION, first_problem, read_document, refuse_newer, write_document
from seekcli.errors import BadInput
from seekcli.grid.schema import GridFile

FOLDER, SUBMISSION = "engines", "submission.json"
ElementWord = Literal["running", "requeued", "ended", "failed"]


class Submission(BaseModel):
    """One array of workers: `elements` of them, the job `job` of the scheduler. `device` is where runs train."""

    model_config = ConfigDict(frozen=True, strict=True)

    schema_version: int = SCHEMA_VERSION
    engine: str
    cluster: str
    job: str
    elements: int
    device: str | None = None
    submitted_at: float  # seconds since 1970
    cancelled: bool = False


class Element(BaseModel):
    """How an element of the array stands; one that has not begun has no file."""

    model_config = ConfigDict(frozen=True, strict=True)

    schema_version: int = SCHEMA_VERSION
    number: int
    submitted_at: float  # that of its submission: files of earlier ones say nothing
    state: ElementWord
    job: str
    node: str


class SubmissionFolder:
    """Where the last submission of a grid is, or would be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, results: Path, grid: GridFile) -> SubmissionFolder:
        """Known by where the file is, since files in two folders may have one name."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", grid.path.stem).strip(".-") or "grid"
        name += f"-{hashlib.sha256(os.fsencode(grid.path.resolve())).hexdigest()[:8]}"
        return cls(results / FOLDER / (f"{name}-smoke" if grid.is_smoke else name))

    @property
    def order_path(self) -> Path:
        return self.path / "order.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def read(self) -> Submission | None:
        """None where nothing was submitted. Raises BadInput, naming the file, where it is damaged or newer."""
        path = self.path / SUBMISSION
        if not path.exists():
            return None
        value = read_document(path)
        refuse_newer(path, value.get("schema_version") if isinstance(value, dict) else None)
        try:
            return Submission.model_validate(value)
        except ValidationError as error:
            raise BadInput(f"{path} is damaged ({first_problem(error)}); remove it: runs are not touched") from None

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


def is_live(submission: Submission, elements: list[Element]) -> bool:
    """Whether elements run or wait in the queue, as far as the folder says: a lost array stays so for ever."""
    ended = sum(one.state in ("ended", "failed") for one in elements)
    return not submission.cancelled and ended < submission.elements


def in_words(submission: Submission, elements: list[Element]) -> str:
    """`slurm job 12: 4 elements, 2 running (n1, n2), 1 ended, 1 queued`"""
    counts = Counter(one.state for one in elements)
    nodes = ", ".join(sorted({one.node for one in elements if one.state == "running"}))
    parts = [f"{counts[word]} {word}" for word in ("running", "requeued", "ended", "failed") if counts[word]]
    if counts["running"]:
        parts[0] += f" ({nodes})"
    if (queued := submission.elements - len(elements)) and not submission.cancelled:
        parts.append(f"{queued} queued")
    head = f"{submission.engine} job {submission.job}{', cancelled' if submission.cancelled else ''}"
    return ", ".join([f"{head}: {submission.elements} elements", *parts])


def as_data(submission: Submission, elements: list[Element]) -> dict[str, Any]:
    return {**submission.model_dump(), "begun": [one.model_dump() for one in elements]}
