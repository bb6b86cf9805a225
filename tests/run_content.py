"""What two equal runs must share, and a progress that remembers what it was told."""

from __future__ import annotations

from seekcli.runs import records
from seekcli.train.progress import Progress


class Notes(Progress):
    def __init__(self):
        self.notes, self.steps = [], []

    def note(self, message):
        self.notes.append(message)

    def stepped(self, epoch, steps_done, role, loss, images):
        self.steps.append(steps_done)


def content(folder):
    """All that two equal runs must share: rows without measured columns, steps, model bytes, final state."""
    rows = [
        {name: value for name, value in row.items() if name not in records.MEASURED_COLUMNS}
        for row in records.read_epochs(folder / records.EPOCHS)
    ]
    rows += records.read_classes(folder / records.CLASSES)
    models = {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
    status = records.read_status(folder)
    totals = {name: value for name, value in status.totals.items() if name != "epoch_seconds"}
    return rows, records.read_steps(folder / records.STEPS), models, (status.state, status.steps_done, totals)
