"""One measured row for each family of models: the table of docs/families.md.

    python benchmarks/families.py                           print the table (5 minutes on 2 idle cores)
    python benchmarks/families.py --write docs/families.md  and put it between that page's markers

Each row comes from real runs on synthetic images, those of language models on the text of the license, through the same
code as `seek train` and `seek export`: one run without a break, the same run stopped twice (once in a motivated state)
and resumed, an export of it, and a pair whose base was trained before its first switch.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import os
import shlex
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pages import write_between

import seekcli
from seekcli.config.layers import Resolved
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.export.load import load_model
from seekcli.models.catalog import FAMILIES, default_init, model_spec, parse_pair
from seekcli.models.pairs import build_model
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve
from seekcli.runs import records
from seekcli.runs.environment import cpu_name
from seekcli.runs.folder import RunFolder
from seekcli.train.trainer import Trainer

# The smallest pair of each family, one whose base is partly contained, and two that also grow in width.
PAIRS = (
    *("resnet8-to-14", "resnet18-to-34", "resnet18-to-50", "vit-tiny-to-small"),
    *("efficientnet-b0-to-b1", "efficientnet-b1-to-b2", "gpt-2x64-to-4x64", "gpt-2x64-to-4x128"),
)
IMAGE_SIZE, CLASSES, BATCH_SIZE, STEPS_PER_EPOCH, EPOCHS = 32, 10, 16, 5, 2
CONTEXT = 32  # tokens of a window
TEXT = Path(__file__).resolve().parents[1] / "LICENSE"
WARM_UP_STEPS, TIMED_STEPS = 1, 3
ROLES = ("base", "motivated")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADER = (
    "| family | pair | base step, CPU ms | motivated step, CPU ms | map coverage, % | identity error | resume exact "
    "| export exact |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """What was measured of one pair; `identity_error` is None where the map is partial."""

    pair: str
    step_seconds: dict[str, float]
    coverage: float
    identity_error: float | None
    resume_exact: bool
    export_exact: bool

    def as_markdown(self) -> str:
        error = "impossible" if self.identity_error is None else f"{self.identity_error:.1e}"
        cells = [
            model_spec(parse_pair(self.pair)[0]).family,
            self.pair,
            *(f"{1e3 * self.step_seconds[role]:.0f}" for role in ROLES),
            f"{100 * self.coverage:.1f}",
            error,
            *("yes" if exact else "**no**" for exact in (self.resume_exact, self.export_exact)),
        ]
        return f"| {' | '.join(cells)} |"


def settings(pair: str, **changes: Any) -> Resolved:
    """The run of a pair. One fall of the loss is enough to switch, so that both roles get steps."""
    base, motivated = parse_pair(pair)
    images = {
        "data.name": f"synthetic:3x{IMAGE_SIZE}x{IMAGE_SIZE}:{CLASSES}:{BATCH_SIZE * STEPS_PER_EPOCH * 5 // 4}",
        "data.image_size": IMAGE_SIZE,
    }
    windows = {
        "data.name": f"text:{TEXT}",
        "data.context_length": CONTEXT,
        "data.validation_fraction": 0.0,
        "data.limit_train": BATCH_SIZE * STEPS_PER_EPOCH,
    }
    values = {
        "pair.base": base,
        "pair.motivated": motivated,
        **(windows if reads_text(base) else images),
        "motivation.k": 1,
        "train.batch_size": BATCH_SIZE,
        "train.epochs": EPOCHS,
        # The loss of a text falls step by step at a smaller one: every step would be a motivated one.
        "optimizer.lr": 0.02 if reads_text(base) else 0.001,
        "runtime.device": "cpu",
    }
    return resolve([("benchmark", values | {key.replace("__", "."): value for key, value in changes.items()})])


def reads_text(model: str) -> bool:
    return FAMILIES[model_spec(model).family].reads_text


def measure(pair: str, work: Path) -> Row:
    resolved = settings(pair)
    train_run(resolved, work / "whole")
    whole = RunFolder.of(work / "whole", resolved.config).path
    return Row(
        pair=pair,
        step_seconds={role: time_step(pair, role) for role in ROLES},
        coverage=records.read_epochs(whole / records.EPOCHS)[0]["coverage"],
        identity_error=identity_error(pair),
        resume_exact=resumes_exactly(resolved, whole, work / "resumed"),
        export_exact=exports_exactly(whole, work / "exports"),
    )


def make_trainer(resolved: Resolved) -> Trainer:
    return build_trainer(resolved.config, sources.load(resolved.config.data), torch.device("cpu"))


def time_step(pair: str, role: str) -> float:
    """Median CPU seconds, summed over threads, of a training step (batch, forward, loss, backward, update) of one role.

    CPU time, because on a busy machine the waiting for others would be most of the wall time.
    """
    trainer = make_trainer(settings(pair, schedule=role))
    clocks: list[float] = []
    while len(clocks) <= WARM_UP_STEPS + TIMED_STEPS:
        trainer.train_epoch(lambda: clocks.append(time.process_time()))
        trainer.start_next_epoch()
    seconds = [after - before for before, after in itertools.pairwise(clocks)]
    return statistics.median(seconds[WARM_UP_STEPS:])


def identity_error(pair: str) -> float | None:
    """Largest difference in logits over the base's largest logit, after the first copy of a base that was trained."""
    if default_init(*parse_pair(pair), "aligned") != "identity":
        return None
    trainer = make_trainer(settings(pair, motivation__condition="never"))
    trainer.train_epoch(lambda: None)
    trainer.turn_rule.refresh_motivated()
    images = torch.cat([images for images, _ in itertools.islice(trainer.batches.evaluation("test"), 8)])
    with torch.no_grad():
        base, motivated = (trainer.models[role].eval()(images) for role in ROLES)
    return ((motivated - base).abs().max() / base.abs().max()).item()


def resumes_exactly(resolved: Resolved, whole: Path, results: Path) -> bool:
    """Whether the run, stopped before a base step and before a motivated one, gives the same bytes and rows."""
    for stop_after in stops(records.read_steps(whole / records.STEPS)["role"]):
        try:
            train_run(resolved, results, stop_requested=StopAt(stop_after, results, resolved))
            raise AssertionError(f"the run did not stop at step {stop_after}")
        except Stopped:
            pass
    train_run(resolved, results)
    resumed = RunFolder.of(results, resolved.config).path
    same_models = all(
        (whole / f"{role}.safetensors").read_bytes() == (resumed / f"{role}.safetensors").read_bytes() for role in ROLES
    )
    rows = [comparable(records.read_epochs(folder / records.EPOCHS)) for folder in (whole, resumed)]
    steps = [records.read_steps(folder / records.STEPS) for folder in (whole, resumed)]
    return same_models and rows[0] == rows[1] and steps[0] == steps[1]


def stops(roles: list[str]) -> list[int]:
    """After how many steps to stop: in the first epoch before a motivated step, in the second before a base step.

    Raises ValueError for a run that has no such step.
    """
    return [roles.index("motivated", 1, STEPS_PER_EPOCH), roles.index("base", STEPS_PER_EPOCH + 1)]


class StopAt:
    """Asks a run to stop once so many of its steps are done, over all its sittings."""

    def __init__(self, steps: int, results: Path, resolved: Resolved) -> None:
        folder = RunFolder.of(results, resolved.config).path
        done = records.read_status(folder).steps_done if (folder / records.STATUS).exists() else 0
        self.left = steps - done

    def __call__(self) -> str | None:
        self.left -= 1
        return "benchmark" if self.left == 0 else None


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in records.MEASURED_COLUMNS} for row in rows]


def exports_exactly(folder: Path, exports: Path) -> bool:
    """Whether each exported model, loaded from its file and card alone, gives the logits of the run's own weights."""
    run = open_run(folder)
    facts = run.facts
    generator = torch.Generator().manual_seed(0)
    if run.config.data.context_length is None:
        images = torch.randn(8, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    else:
        images = torch.randint(facts.classes, (8, facts.image_size), generator=generator)
    exact = []
    for done in export_run(run, ROLES, exports):
        own = build_model(done.card.model, facts.classes, facts.channels, facts.image_size).eval()
        own.load_state_dict(safetensors.torch.load_file(run.weights_path(done.card.role)))
        loaded, _ = load_model(done.weights_path)
        with torch.no_grad():
            exact.append(torch.equal(own(images), loaded(images)))
    return all(exact) and len(exact) == len(ROLES)


def report(rows: list[Row], command: str) -> str:
    """The table, and what a reader needs to measure it again."""
    today = datetime.datetime.now(datetime.UTC).date()
    machine = f"{cpu_name()}, {os.cpu_count()} cores, torch threads: {torch.get_num_threads()}"
    where = (
        f"Measured {today} by `{command}` on {machine}; torch {torch.__version__}, seekcli {seekcli.__version__}; "
        f"{IMAGE_SIZE} px or {CONTEXT} tokens, batch {BATCH_SIZE}, fp32, median step."
    )
    return "\n".join([where, "", HEADER, *(row.as_markdown() for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a row for each family of models.")
    parser.add_argument("--write", type=Path, help="page with markers to put the table in")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="pairs to measure")
    parser.add_argument("--threads", type=int, help="torch threads (torch's own choice)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    rows = []
    for pair in options.pairs:
        with tempfile.TemporaryDirectory(prefix="seek-families-") as work:
            rows.append(measure(pair, Path(work)))
        print(rows[-1].as_markdown(), file=sys.stderr, flush=True)
    text = report(rows, f"python {shlex.join(sys.argv)}")
    print(text)
    if options.write:
        write_between(options.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
