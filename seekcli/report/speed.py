"""How fast a pair is on a machine, and what whole runs would take there: the answer of `seek bench`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from seekcli.errors import counted, human_bytes
from seekcli.report.columns import aligned
from seekcli.report.wording import duration

NAMES = {"base": "base", "motivated": "larger"}
RUNS = {"base": "base alone", "motivated": "larger alone", "alternating": "both, alternating"}
NOT_COUNTED = (
    "Not in it: the start (reading the data, loading libraries), writing records and checkpoints, and other programs "
    "on this machine."
)


@dataclass(frozen=True)
class Timing:
    """Seconds of one step, copy or image: the mean of each block, measured one after the other."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)

    def as_data(self, unit: str) -> dict[str, Any]:
        """`unit` is what each takes the seconds of: `step`, `image`."""
        return {
            f"seconds_per_{unit}_median": self.median,
            f"seconds_per_{unit}_min": min(self.seconds),
            f"seconds_per_{unit}_max": max(self.seconds),
            "blocks": len(self.seconds),
        }


@dataclass(frozen=True)
class RunLengths:
    """What a run of the pair does, of whichever schedule; images may be windows or rows."""

    epochs: int
    steps: int
    batch_size: int
    evaluations: int
    images_per_evaluation: int
    expected_share: float | None  # of steps that are the larger model's; None where the condition does not tell ahead


@dataclass(frozen=True)
class Speed:
    """Measured by role. `switch` is both copies, to the larger model and back. `keep` estimates the BatchNorm
    statistics of both models anew: a run of both does so for each evaluation, and then tests the `retested_images`
    twice; a model alone does the latter at its end."""

    names: Mapping[str, str]
    data: str
    examples: str
    where: Mapping[str, Any]
    lengths: RunLengths
    steps: Mapping[str, Timing]
    batches: Timing
    evaluation: Mapping[str, Timing]
    switch: Timing | None
    keep: Timing | None
    retested_images: int
    peak_memory_bytes: int
    disk_bytes: int

    @property
    def hours(self) -> dict[str, float | None]:
        """By schedule, what a run would take at the median times."""
        lengths, tested = self.lengths, self.lengths.evaluations * self.lengths.images_per_evaluation
        seconds: dict[str, float | None] = {
            role: lengths.steps * (self.batches.median + step.median)
            + (tested + self.retested_images) * self.evaluation[role].median
            for role, step in self.steps.items()
        }
        if self.switch is not None:
            seconds["alternating"] = self._seconds_of_both(tested)
        return {schedule: None if spent is None else spent / 3600 for schedule, spent in seconds.items()}

    def _seconds_of_both(self, tested: int) -> float | None:
        """With as many switches as there can be: each motivated step a stretch of its own."""
        share, lengths = self.lengths.expected_share, self.lengths
        if share is None or self.switch is None:
            return None
        step = (1 - share) * self.steps["base"].median + share * self.steps["motivated"].median
        image = sum(one.median for one in self.evaluation.values())
        images = tested + lengths.evaluations * self.retested_images
        keep = self.keep.median * lengths.evaluations if self.keep is not None else 0.0
        copies = share * lengths.steps * self.switch.median
        return lengths.steps * (self.batches.median + step) + copies + images * image + keep


def as_data(speed: Speed) -> dict[str, Any]:
    """For JSON."""
    models = {
        role: {
            "model": name,
            "training": speed.steps[role].as_data("step")
            | {"images_per_second_median": speed.lengths.batch_size / speed.steps[role].median},
            "evaluation": speed.evaluation[role].as_data("image"),
        }
        for role, name in speed.names.items()
    }
    lengths = vars(speed.lengths)
    return {
        "models": models,
        "data": speed.data,
        "where": dict(speed.where),
        **lengths,
        "next_batch": speed.batches.as_data("step"),
        "switch": speed.switch.as_data("switch") if speed.switch is not None else None,
        "keep_models": speed.keep.as_data("evaluation") if speed.keep is not None else None,
        "expected_hours": speed.hours,
        "not_in_expected_hours": NOT_COUNTED,
        "peak_memory_bytes": speed.peak_memory_bytes,
        "disk_bytes": speed.disk_bytes,
    }


def speed_text(speed: Speed) -> str:
    lengths = speed.lengths
    rows = [line for role in speed.names for line in model_rows(speed, role)]
    rows.append(timing_row("next batch, on average", speed.batches, None))
    if speed.switch is not None:
        rows.append(timing_row("switch, there and back", speed.switch, None))
    if speed.keep is not None:
        rows.append(timing_row("statistics of both, anew", speed.keep, None))
    header = ["", "ms, median", "min", "max", "blocks", f"{speed.examples}/s"]
    where = "; ".join(f"{name} {value}" for name, value in speed.where.items())
    lines = [
        f"{' in '.join(speed.names.values())} on {speed.data}, batch {lengths.batch_size}: {where}",
        "",
        aligned(header, rows, header[1:]),
        "",
        f"One run by these times: {counted(lengths.epochs, 'epoch')}, {lengths.steps:,} steps, "
        f"{counted(lengths.evaluations, 'evaluation')} on {lengths.images_per_evaluation:,} {speed.examples}",
        aligned(
            ("run", "time"), [(RUNS[schedule], time_of(hours)) for schedule, hours in speed.hours.items()], ("time",)
        ),
        NOT_COUNTED,
        f"memory      {human_bytes(speed.peak_memory_bytes)} at the most while measuring",
        f"disk        {human_bytes(speed.disk_bytes)} for models and checkpoints while a run is trained",
    ]
    if speed.switch is not None and lengths.expected_share is None:
        lines.append("note        the condition does not tell ahead how many steps are the larger model's")
    elif speed.switch is not None:
        lines.append(f"note        {lengths.expected_share:.1%} of the steps are expected to be the larger model's")
    return "\n".join(lines)


def model_rows(speed: Speed, role: str) -> list[list[str]]:
    name = NAMES[role] if len(speed.names) > 1 else speed.names[role]
    batch = speed.lengths.batch_size
    return [
        timing_row(f"{name}: training step", speed.steps[role], batch / speed.steps[role].median),
        timing_row(f"{name}: evaluation of one", speed.evaluation[role], 1 / speed.evaluation[role].median),
    ]


def timing_row(name: str, timing: Timing, per_second: float | None) -> list[str]:
    times = [f"{1000 * value:.3g}" for value in (timing.median, min(timing.seconds), max(timing.seconds))]
    return [name, *times, str(len(timing.seconds)), "" if per_second is None else f"{per_second:,.0f}"]


def time_of(hours: float | None) -> str:
    return "not known" if hours is None else duration(3600 * hours)
