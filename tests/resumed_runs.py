"""Runs that are stopped and started again, and what two equal runs must share."""

from __future__ import annotations

from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.runs import records
from seekcli.train.progress import Progress


def content(folder):
    """All that two equal runs must share: rows without measured columns, steps, model bytes, totals."""
    rows = [
        {name: value for name, value in row.items() if name not in records.MEASURED_COLUMNS}
        for row in records.read_epochs(folder / records.EPOCHS)
    ]
    models = {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
    totals = {name: value for name, value in records.read_status(folder).totals.items() if name != "epoch_seconds"}
    return rows, records.read_steps(folder / records.STEPS), models, totals


class StopAfter(Progress):
    """Counts the steps of one start, and says when to stop."""

    def __init__(self, steps):
        self.left = steps

    def stepped(self, epoch, steps_done, role, loss, images):
        self.left -= 1

    def reason(self):
        return "test" if self.left <= 0 else None


def train_in_pieces(resolved, results, steps):
    """Stop after every `steps` steps and start again, until the run is done. Returns how often it was stopped."""
    for stops in range(100):
        progress = StopAfter(steps)
        try:
            train_run(resolved, results, progress, stop_requested=progress.reason)
        except Stopped:
            continue
        return stops
    raise AssertionError("the run does not end")
