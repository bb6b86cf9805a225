"""TensorBoard: event files in the run folder, written anew from the recorded rows whenever a run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli import files
from seekcli.trackers.tracker import Point, TrackedRun, Tracker

FOLDER = "tensorboard"


class TensorBoard(Tracker):
    """`tensorboard --logdir results/runs` shows every run under its id."""

    def begin(self, run: TrackedRun) -> int:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        folder = run.folder / FOLDER
        for old in sorted(folder.glob("events.out.tfevents.*")):
            files.remove(old, run.check)
        # purge_step: a TensorBoard that is open drops what it has read of the old files.
        self.writer = SummaryWriter(str(folder), purge_step=0)
        # Without the summary of an experiment the HParams view makes its columns of all runs that it finds, so that
        # runs with different models are compared too.
        _, start, self.success = hparams(dict(run.settings), {})
        self.write_summary(start)
        return 0

    def log(self, points: Sequence[Point]) -> None:
        for point in points:
            for name, value in point.values.items():
                self.writer.add_scalar(name, value, point.step)
        self.writer.flush()  # a kill loses nothing that was sent

    def end(self, state: str) -> None:
        if state == "finished":
            self.write_summary(self.success)
        self.writer.close()

    def write_summary(self, summary: object) -> None:
        self.writer._get_file_writer().add_summary(summary)  # add_hparams would put it into a run of its own
