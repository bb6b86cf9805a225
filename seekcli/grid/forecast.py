"""What points cost: training FLOPs by their settings, hours and disk by finished runs of their kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from seekcli.config.identity import run_key
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput
from seekcli.grid.standing import Standing
from seekcli.resolve.expected_cost import train_flops_ahead
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import RunStatus

# So many other runs of the results folder are looked at, and the folders of so many of a kind are measured.
MOST_OTHERS, MOST_MEASURED = 200, 3


@dataclass(frozen=True)
class Cost:
    """Of a whole run; None where it is not known."""

    train_flops: float | None
    hours: float | None
    disk_bytes: float | None


@dataclass(frozen=True)
class Sample:
    """A finished run: what it took."""

    flops: float
    seconds: float
    folder: Path


class Forecast:
    """Costs by what finished runs took. Runs of a kind differ in the seed alone; like ones train the same models on
    the same data and device, and take as long for each FLOP."""

    def __init__(self, results: Path, finished: Iterable[Standing], others: Sequence[str]) -> None:
        self.by_kind: dict[str, list[Sample]] = defaultdict(list)
        self.by_likeness: dict[str, list[Sample]] = defaultdict(list)
        self.kinds: dict[str, tuple[str, str]] = {}
        self.flops: dict[str, float | None] = {}
        self.sizes: dict[str, float | None] = {}
        for one in finished:
            if one.status is not None:
                self.add(one.resolved.config, one.status, results / "runs" / one.label)
        for name in others[:MOST_OTHERS]:
            folder = RunFolder(results / "runs" / name)
            with suppress(BadInput):
                status = folder.status()
                if status.state == "finished":
                    self.add(folder.config(), status, folder.path)

    def add(self, config: RunConfig, status: RunStatus, folder: Path) -> None:
        sample = Sample(float(status.totals["train_flops"]), float(status.totals["epoch_seconds"]), folder)
        self.by_kind[kind_of(config)].append(sample)
        self.by_likeness[likeness_of(config)].append(sample)

    def of(self, one: Standing, said: str | None = None) -> Cost:
        """Of the whole run, whatever of it is done. Runs of which the same is `said` but for the seed are of a kind."""
        config = one.resolved.config
        if said is None or said not in self.kinds:
            self.kinds[said or ""] = kind_of(config), likeness_of(config)
        kind, likeness = self.kinds[said or ""]
        if one.state == "finished" and one.status is not None:
            flops: float | None = float(one.status.totals["train_flops"])
            hours = float(one.status.totals["epoch_seconds"]) / 3600
            return Cost(flops, hours, self.size(kind, likeness))
        if kind not in self.flops:
            self.flops[kind] = train_flops_ahead(config)
        flops = self.flops[kind]
        if same := self.by_kind.get(kind):
            return Cost(flops, fmean(sample.seconds for sample in same) / 3600, self.size(kind, likeness))
        like = self.by_likeness.get(likeness, [])
        per_flop = sum(sample.seconds for sample in like) / total if (total := sum(one.flops for one in like)) else None
        hours_ahead = None if flops is None or per_flop is None else flops * per_flop / 3600
        return Cost(flops, hours_ahead, self.size(kind, likeness))

    def size(self, kind: str, likeness: str) -> float | None:
        """Mean size of the folders of that kind, else of like ones."""
        key = kind if kind in self.by_kind else likeness
        if key not in self.sizes:
            samples = (self.by_kind.get(kind) or self.by_likeness.get(likeness, []))[:MOST_MEASURED]
            self.sizes[key] = fmean(size_of(sample.folder) for sample in samples) if samples else None
        return self.sizes[key]


def kind_of(config: RunConfig) -> str:
    return repr(sorted({**run_key(config), "seed": None}.items()))


def likeness_of(config: RunConfig) -> str:
    """Models, data, batch and device: what decides how long a FLOP takes."""
    models = [config.model_name(role) for role in config.roles]
    sizes = config.data.name, config.data.image_size, config.data.train_size, config.train.batch_size
    return repr((models, sizes, config.runtime.device.partition(":")[0], config.runtime.precision, config.smoke))


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def left_of(cost: Cost, fraction_done: float) -> dict[str, Any]:
    """What is left to do of a run, by the fraction of its steps that is done; disk that is taken is not asked again."""
    left = 1.0 - fraction_done
    return {
        "train_flops": None if cost.train_flops is None else cost.train_flops * left,
        "hours": None if cost.hours is None else cost.hours * left,
        "disk_bytes": None if cost.disk_bytes is None else (cost.disk_bytes if fraction_done < 1 else 0.0),
    }
