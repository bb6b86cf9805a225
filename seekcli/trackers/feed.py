"""What a run tells its trackers: the rows that it has recorded, each once. A tracker that fails never fails a run."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seekcli import files
from seekcli.config.identity import NOT_HASHED, flat_config, run_id
from seekcli.config.schema import RunConfig
from seekcli.errors import one_line
from seekcli.runs.records import Row
from seekcli.runs.step_log import StepLog
from seekcli.trackers.catalog import tracker_of
from seekcli.trackers.points import points_of
from seekcli.trackers.tracker import TrackedRun, Tracker


class Trackers:
    """Those that the config names (`runtime.track`), each opened when it is first sent something.

    `key` gives the name that trackers know this run folder by. `note` is told once of each tracker that fails, which
    is left alone from then on.
    """

    def __init__(
        self, config: RunConfig, folder: Path, key: Callable[[], str], check: files.Check, note: Callable[[str], None]
    ) -> None:
        self.config, self.folder, self.key, self.check, self.note = config, folder, key, check, note
        self.names = list(dict.fromkeys(config.runtime.track))
        self.opened: dict[str, tuple[Tracker, int]] = {}  # name -> the tracker, and the last step that it had
        self.epochs_sent = 0

    def send(self, rows: Sequence[Row], steps: StepLog) -> None:
        """All that is recorded so far: what has been sent, now or before the run was taken up, is not sent again."""
        if not self.names:
            return
        points = points_of(rows, steps.after(self.epochs_sent), self.epochs_sent)
        self.epochs_sent = max((row["epoch"] for row in rows), default=0)
        for name in list(self.names):
            with self.left_alone_if_it_fails(name):
                if name not in self.opened:
                    tracker = tracker_of(name)
                    self.opened[name] = tracker, tracker.begin(self.told())
                tracker, last_step = self.opened[name]
                tracker.log([point for point in points if point.step > last_step])

    def end(self, state: str) -> None:
        """Raises nothing."""
        for name in [name for name in self.names if name in self.opened]:
            with self.left_alone_if_it_fails(name):
                self.opened[name][0].end(state)
        self.names = []

    def told(self) -> TrackedRun:
        return TrackedRun(self.key(), run_id(self.config), self.folder, settings_of(self.config), self.check)

    @contextlib.contextmanager
    def left_alone_if_it_fails(self, name: str) -> Iterator[None]:
        """What a library prints goes to stderr: stdout is for what the command itself says."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 (the run is not to blame, and its rows are recorded)
            self.names.remove(name)
            why = one_line(f"{type(error).__name__}: {error}")
            self.note(f"--track {name} failed and is off for the rest of this run: {why}")


def settings_of(config: RunConfig) -> dict[str, str | float | bool]:
    """The settings that change the numbers, by dotted key, as a comparison view takes them; those not set are left out.

    A list is JSON text.
    """
    return {
        key: json.dumps(value) if isinstance(value, list | dict) else value
        for key, value in flat_config(config).items()
        if key not in NOT_HASHED and value is not None
    }
