"""Trackio: a database of its own on this machine (TRACKIO_DIR), or where its environment variables say."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seekcli.trackers.tracker import Point, TrackedRun, Tracker


class Trackio(Tracker):
    """`trackio show` starts its page."""

    def begin(self, run: TrackedRun) -> int:
        import trackio
        from trackio import context_vars

        self.run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", "seekcli"),
            name=run.key,
            config=dict(run.settings),
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )
        context_vars.current_run.set(None)  # else it is ended once more when the process exits, with words on stdout
        return self.run._next_step - 1  # no public name says how far a run that is taken up has come

    def log(self, points: Sequence[Point]) -> None:
        for point in points:
            self.run.log(point.values, step=point.step)

    def end(self, state: str) -> None:
        self.run.finish()
