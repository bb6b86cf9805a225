"""What becomes of BatchNorm running statistics: own against carried, each as trained and re-estimated.

    .venv/bin/python benchmarks/batchnorm.py --write docs/batchnorm.md

Trains small pairs on 500 digits and tests on the other 1,297, or reads the runs that are in the results folder already:
stopped at any point, the same command goes on. One run tells both accuracies, so re-estimation costs no second run.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pages import write_between
from scipy import stats

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.run import train_run
from seekcli.resolve.resolve import resolve
from seekcli.runs.records import RunStatus

COMMON = {
    "data.name": "digits",
    "data.test_images": 1297,
    "train.eval_every": 1000,
    "runtime.device": "cpu",
    "runtime.threads": 1,
}
AS_TRAINED, RE_ESTIMATED = "as trained", "re-estimated"
COLUMNS = {AS_TRAINED: "test_accuracy_as_trained_percent", RE_ESTIMATED: "test_accuracy_recalibrated_percent"}


@dataclass(frozen=True)
class Case:
    """A pair and its start, cheap enough for five seeds on one core."""

    base: str
    motivated: str
    init: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.base} in {self.motivated}, `{self.init}`"

    def resolved(self, schedule: str, buffers: str, seed: int) -> Resolved:
        own = {"pair.base": self.base, "pair.motivated": self.motivated, "pair.init": self.init}
        arm = {"schedule": schedule, "seed": seed, "pair.buffers": buffers}
        return resolve([("benchmark", COMMON | self.settings | own | arm)])


EFFICIENTNET = {"data.image_size": 32, "train.epochs": 6, "train.batch_size": 25}
VIT = {"data.limit_train": 250, "train.epochs": 4, "train.batch_size": 25}
CASES = (
    Case("resnet14", "resnet20", "paper", {"train.epochs": 12, "train.batch_size": 32}),
    Case("resnet14", "resnet20", "identity", {"train.epochs": 12, "train.batch_size": 32}),
    Case("efficientnet-b0", "efficientnet-b1", "paper", EFFICIENTNET),
    Case("vit-tiny", "vit-small", "paper", VIT),
)


Accuracies = dict[tuple[str, str], list[float]]  # (role, statistics) -> percent, a value per seed


def accuracies(case: Case, schedule: str, buffers: str, seeds: int, results: Path) -> Accuracies:
    """Of runs that are trained where they are not there; without re-estimated ones where nothing is re-estimated."""
    found: Accuracies = {}
    for seed in range(seeds):
        status: RunStatus = train_run(case.resolved(schedule, buffers, seed), results)
        print(f"{status.run_id}: {[round(row['test_accuracy_percent'], 2) for row in status.final]}", flush=True)
        for row, (words, column) in itertools.product(status.final, COLUMNS.items()):
            if row[column] is not None:
                found.setdefault((row["role"], words), []).append(row[column])
    return found


def interval(differences: list[float]) -> str:
    """Mean and its 95 % interval by Student's t; the mean alone where there is no spread or one seed."""
    mean = fmean(differences)
    spread = stdev(differences) if len(differences) > 1 else 0.0
    if spread == 0:
        return f"{mean:+.2f}"
    half = stats.t.ppf(0.975, len(differences) - 1) * spread / math.sqrt(len(differences))
    return f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"


def measured(values: list[float]) -> str:
    return f"{fmean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def difference(left: list[float] | None, right: list[float] | None) -> str:
    return interval([a - b for a, b in zip(left, right, strict=True)]) if left and right else "–"


def rows_of(case: Case, seeds: int, results: Path) -> Iterator[tuple[str, ...]]:
    """One row per role and kind of run; the last two columns are paired by seed."""
    ids = {run_id(case.resolved("alternating", buffers, 0).config) for buffers in ("own", "carried")}
    arms = {buffers: accuracies(case, "alternating", buffers, seeds, results) for buffers in ("own", "carried")}
    for role, (buffers, found) in itertools.product(("base", "motivated"), arms.items()):
        trained, again = (found.get((role, words)) for words in COLUMNS)
        assert trained
        own = arms["own"][role, AS_TRAINED] if buffers == "carried" else None
        name = "one run for both" if len(ids) == 1 else buffers
        if len(ids) == 1 and buffers == "carried":
            continue
        cells = (measured(trained), measured(again) if again else "–", difference(again, trained))
        yield (case.name, f"alternating, {role}", name, *cells, difference(own, trained))
    for role in ("base", "motivated") if case.init == "paper" and case.base.startswith("resnet") else ():
        found = accuracies(case, role, "own", seeds, results)
        trained, again = (found[role, words] for words in COLUMNS)
        yield (case.name, f"alone, {role}", "–", measured(trained), measured(again), difference(again, trained), "–")


def table(seeds: int, results: Path, only: str) -> str:
    header = ("pair, start", "model", "statistics", *COLUMNS, "re-estimated − as trained", "own − carried, as trained")
    rows = [row for case in CASES if only in case.base for row in rows_of(case, seeds, results)]
    lines = [header, ("---",) * len(header), *rows]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "fvcore"))
    where = f"{versions}; {platform.machine()}, 1 thread"
    said = f"n = {seeds} seeds, test accuracy in percent, mean ± sd; 95 % intervals of paired differences; {where}"
    return "\n".join([said, "", *("| " + " | ".join(line) + " |" for line in lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose base model's name holds this")
    parser.add_argument("--results", type=Path, default=Path("results/batchnorm"))
    parser.add_argument("--write", type=Path, help="put the table between the markers of this page")
    asked = parser.parse_args()
    text = table(asked.seeds, asked.results, asked.only)
    print(text)
    if asked.write:
        write_between(asked.write, text)


if __name__ == "__main__":
    main()
