"""What a run tells whoever watches it. The CLI draws it; the loop knows this interface alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RunFacts:
    """Known before the first step."""

    run_id: str
    run_dir: str
    schedule: str
    models: dict[str, str]
    epochs: int
    steps: int
    steps_per_epoch: int
    steps_done: int
    expected_share: float | None
    coverage: float | None
    data: str = ""  # how many images there are, and who split them
    task: str = "classification"
    examples: str = "images"  # what batches are made of: images, windows or rows


class Progress:
    """Silent by default: every method may be overridden."""

    def decoding(self, done: int, total: int) -> None:
        """Before the run: `done` of `total` image files are decoded (they are kept, so that this happens once)."""

    def started(self, facts: RunFacts) -> None:
        """A run begins, or goes on from `facts.steps_done`."""

    def stepped(self, epoch: int, steps_done: int, role: str, loss: float, images: int) -> None:
        """One step is done; `epoch` counts from 1. Where it updated both models, role and loss are of the second."""

    def evaluating(self, role: str, split: str, done: int, total: int) -> None:
        """At an epoch's end: `done` of the `total` images of a split are evaluated with this model."""

    def epoch_done(self, rows: list[dict[str, Any]]) -> None:
        """An epoch is recorded: its rows, one per role."""

    def note(self, message: str) -> None:
        """One line that the user should see."""

    def ended(self) -> None:
        """The run is over, one way or another."""
