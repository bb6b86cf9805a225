"""Weights & Biases. Its own environment variables hold: WANDB_MODE=offline, WANDB_PROJECT, WANDB_ENTITY and others."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seekcli import files
from seekcli.trackers.tracker import Point, TrackedRun, Tracker

MOST_CHARACTERS = 128  # of an id; the end of a key tells it from all others


class Wandb(Tracker):
    """A server says how far a run has come. Without one the files of a run that goes on are written anew."""

    def begin(self, run: TrackedRun) -> int:
        import wandb

        for old in sorted(run.folder.glob("wandb/offline-run-*")):
            files.remove(old, run.check)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "seekcli"),
            id=run.key[-MOST_CHARACTERS:],
            name=run.run_id,
            dir=str(run.folder),
            config=dict(run.settings),
            resume="allow",
            settings=wandb.Settings(console="off"),  # what a terminal shows of a run is not recorded
        )
        return self.run.starting_step - 1  # the step that it would go on with

    def log(self, points: Sequence[Point]) -> None:
        for point in points:
            self.run.log(point.values, step=point.step)

    def end(self, state: str) -> None:
        self.run.finish(exit_code=0 if state == "finished" else 1)
