"""What a user sees while a run trains: a live display on a terminal, else a line per epoch, or JSON lines."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress as RichBar, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from seekcli.cli.epoch_line import LEGENDS, SHOWN, epoch_line
from seekcli.cli.output import say, say_json, terminal_width
from seekcli.errors import counted, visible
from seekcli.plain_data import json_text
from seekcli.train.progress import Progress, RunFacts

STYLES = ("auto", "rich", "plain", "json")


def make_progress(style: str, hint: str | None = None) -> Progress:
    """`auto` is rich on a terminal and plain elsewhere. The hint is told once the run has started."""
    if style == "auto":
        style = "rich" if sys.stdout.isatty() else "plain"
    progress = {"rich": RichProgress, "plain": PlainProgress, "json": JsonProgress}[style]()
    progress.hint = hint
    return progress


def measured(row: dict[str, Any], task: str = "classification") -> str:
    """`test 98.61 %`, also on the validation split where there is one; a run over a fold has that alone."""
    name, digits, unit = SHOWN[task]
    splits = {split: row.get(f"{split}_{name}") for split in ("test", "validation")}
    found = [f"{split} {value:.{digits}f}{unit}" for split, value in splits.items() if value is not None]
    return " ".join(found) or "test -"


def describe_start(facts: RunFacts) -> str:
    models = " and ".join(f"{model} ({role})" for role, model in facts.models.items())
    resumed = f", going on from step {facts.steps_done}" if facts.steps_done else ""
    rest = facts.steps % facts.steps_per_epoch
    short = f" (the last epoch has {rest})" if rest else ""
    length = f"{counted(facts.epochs, 'epoch')}, {counted(facts.steps, 'step')}{short}"
    begun = f"{facts.schedule}: {models}, {length}{resumed}; {visible(facts.run_dir)}"
    return f"{begun}\n{visible(facts.data)}\n{LEGENDS[facts.task]}"


class ShownProgress(Progress):
    """A display with a hint for its user, which must not stand before the error of a run that cannot start."""

    hint: str | None = None

    def tell_hint(self) -> None:
        if self.hint is not None:
            self.note(self.hint)


class PlainProgress(ShownProgress):
    """A line per epoch, for pipes and log files."""

    epochs, task, examples = 0, "classification", "images"

    def decoding(self, done: int, total: int) -> None:
        """A line in the end: what is decoded is decoded once."""
        if done == total:
            say(f"decoded {total} image files; they are kept for the next time")

    def started(self, facts: RunFacts) -> None:
        self.epochs, self.task, self.examples = facts.epochs, facts.task, facts.examples
        say(describe_start(facts))
        self.tell_hint()

    def epoch_done(self, rows: list[dict[str, Any]]) -> None:
        say(epoch_line(rows, self.epochs, terminal_width(), self.task, self.examples))
        sys.stdout.flush()

    def note(self, message: str) -> None:
        say(f"note: {visible(message)}", err=True)


class JsonProgress(ShownProgress):
    """One JSON object a line on stdout: {"event": "started" | "epoch" | "note" | ...}."""

    def _emit(self, event: str, **fields: Any) -> None:
        say_json(json_text({"event": event, **fields}))
        sys.stdout.flush()

    def decoding(self, done: int, total: int) -> None:
        if done == total:
            self._emit("decoded", images=total)

    def started(self, facts: RunFacts) -> None:
        self._emit("started", **vars(facts))
        self.tell_hint()

    def epoch_done(self, rows: list[dict[str, Any]]) -> None:
        # JSON has no infinities: a loss that is none is null here, and itself in the records.
        self._emit("epoch", rows=rows)

    def note(self, message: str) -> None:
        self._emit("note", message=message)


class RichProgress(ShownProgress):
    """A live bar with a line below it that says what goes on, and a printed line per epoch above them."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(markup=False, emoji=False)
        columns = [TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%")]
        columns += [TimeRemainingColumn(compact=True), TextColumn("left{task.fields[speed]}")]
        self.bar = RichBar(*columns, console=self.console)
        self.line = Text(overflow="ellipsis", no_wrap=True)
        self.live = Live(Group(self.bar, self.line), console=self.console, transient=True)
        self.facts: RunFacts | None = None
        self.decoding_task: TaskID | None = None
        self.task = TaskID(0)
        self.accuracies = ""
        self.motivated_steps = self.steps = self.images = 0
        self.loss = self.training_seconds = 0.0
        self.clock = time.monotonic()

    def decoding(self, done: int, total: int) -> None:
        if self.decoding_task is None:
            self.decoding_task = self.bar.add_task("decoding images", total=total, speed="")
            self.line.plain = "they are kept for the next time"
            self.live.start()
        self.bar.update(self.decoding_task, completed=done)

    def started(self, facts: RunFacts) -> None:
        self.facts = facts
        self.console.print(describe_start(facts), highlight=False, soft_wrap=True)
        self.tell_hint()
        if self.decoding_task is not None:
            self.bar.remove_task(self.decoding_task)
        self.task = self.bar.add_task("starting", total=facts.steps, completed=facts.steps_done, speed="")
        self.line.plain = ""
        self.live.start()
        self.clock = time.monotonic()

    def stepped(self, epoch: int, steps_done: int, role: str, loss: float, images: int) -> None:
        if self.facts is None:
            return
        self.steps += 1
        self.images += images
        self.training_seconds += time.monotonic() - self.clock
        self.clock = time.monotonic()
        self.motivated_steps += role == "motivated"
        # Light smoothing, for the eye alone: nothing recorded passes through here.
        self.loss = loss if self.steps == 1 else 0.9 * self.loss + 0.1 * loss
        words = [f"training {self.facts.models[role]} ({role}), loss {self.loss:.3f}"]
        if len(self.facts.models) == 2:
            # A step of a growing run with an update of the larger model has one of the base as well.
            updates = self.steps + (self.motivated_steps if self.facts.schedule == "grow" else 0)
            words.append(f"share {self.motivated_steps / updates:.3f}")
        self.line.plain = "; ".join(words) + self.accuracies
        speed = f", {self.images / max(self.training_seconds, 1e-9):.0f} {self.facts.examples}/s"
        description = f"epoch {epoch}/{self.facts.epochs}"
        self.bar.update(self.task, completed=steps_done, description=description, speed=speed)

    def evaluating(self, role: str, split: str, done: int, total: int) -> None:
        if self.facts is not None:
            self.line.plain = (
                f"evaluating {self.facts.models[role]} ({role}): {done} of {total} {split} {self.facts.examples}"
            )

    def epoch_done(self, rows: list[dict[str, Any]]) -> None:
        if self.facts is None:
            return
        facts = self.facts
        line = epoch_line(rows, facts.epochs, self.console.width, facts.task, facts.examples)
        self.console.print(line, highlight=False, soft_wrap=True)
        shown = ", ".join(f"{row['role']} {measured(row, facts.task)}" for row in rows)
        self.accuracies = f"; {shown}"
        self.clock = time.monotonic()

    def note(self, message: str) -> None:
        self.console.print(f"note: {visible(message)}", style="yellow", highlight=False, soft_wrap=True)

    def ended(self) -> None:
        self.live.stop()
