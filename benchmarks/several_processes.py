"""Two processes that train one run over gloo, against one process: decisions, losses, weights.

    .venv/bin/torchrun --nproc-per-node 2 benchmarks/several_processes.py --write docs/several_gpus.md

The first process also trains each reference alone, and one that begins with a difference of the size of rounding: what
training makes of that is the noise of the lines beside it. Nothing is recorded: this is the loop without a run folder.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pages import write_between
from torch import Tensor, nn

from seekcli.data.sets import sources
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve
from seekcli.train.trainer import Trainer

COMMON = {"runtime.device": "cpu", "pair.recalibrate_batches": 0, "train.batch_size": 64, "motivation.k": 1}
RESNET = {"pair.base": "resnet8", "pair.motivated": "resnet14", "data.name": "digits", "optimizer.lr": 0.05}
VIT = {"pair.base": "vit-tiny", "pair.motivated": "vit-small", "data.name": "digits", "data.limit_train": 640}
GPT = {"pair.base": "gpt-2x64", "pair.motivated": "gpt-4x64", "data.name": "text:pydoc", "data.limit_train": 640}
SYNCHRONISED = {"train.batchnorm": "synchronised"}
ROUNDING = 2.0**-24  # half the distance of 1 to the next float32


@dataclass(frozen=True)
class Case:
    """A pair, and what one process does to be the reference of several."""

    name: str
    settings: dict[str, Any]
    reference: str = "one process"
    of_reference: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("resnet8 to 14, digits, `synchronised`", RESNET | SYNCHRONISED),
    Case(
        "resnet8 to 14, digits, `per-process`",
        RESNET,
        "one process, `train.accumulate_steps=2`",
        {"train.accumulate_steps": 2},
    ),
    Case("vit-tiny to vit-small, 640 digits (no BatchNorm)", VIT),
    Case("gpt-2x64 to 4x64, 640 windows of text:pydoc (no BatchNorm)", GPT),
)


@dataclass
class Trained:
    """An epoch: who took each step, the losses, and the weights of both models after a step and at its end."""

    roles: list[str]
    losses: list[float]
    after_step: dict[str, Tensor]
    after_epoch: dict[str, Tensor]


def train(settings: Mapping[str, Any], ranks: Ranks, nudge: float = 0.0) -> Trained:
    """`nudge` is a relative difference of each starting weight of the base, one standard deviation."""
    processes = {"train.processes": ranks.size}
    config = resolve([("benchmark", COMMON | dict(settings) | processes)]).config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"), None, ranks)
    if nudge:
        nudge_weights(trainer.models["base"], nudge)
    first: dict[str, Tensor] = {}

    def keep() -> None:
        if not first:
            first.update(weights(trainer))

    trainer.train_epoch(keep)
    return Trained(trainer.log.roles, trainer.log.losses, first, weights(trainer))


@torch.no_grad()
def nudge_weights(model: nn.Module, nudge: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.mul_(1 + nudge * torch.randn(parameter.shape, generator=generator))


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Parameters of both models: running statistics are the process's own where BatchNorm is."""
    return {
        f"{role}/{name}": parameter.detach().clone()
        for role, model in trainer.models.items()
        for name, parameter in model.named_parameters()
    }


def farthest(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str:
    """The largest difference of any weight."""
    return difference(max(float((one[name] - other[name]).abs().max()) for name in one))


def difference(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def row(name: str, against: str, one: Trained, many: Trained) -> str:
    same = sum(a == b for a, b in zip(one.roles, many.roles, strict=True))
    losses = max(abs(a - b) for a, b in zip(one.losses, many.losses, strict=True))
    decisions = f"{same} of {len(one.roles)} ({one.roles.count('motivated')} of the larger)"
    found = (difference(losses), farthest(one.after_step, many.after_step), farthest(one.after_epoch, many.after_epoch))
    return f"| {name} | {against} | {decisions} | {' | '.join(found)} |"


def rows(case: Case, ranks: Ranks) -> list[str]:
    """Of the first process; none of the others."""
    many = train(case.settings, ranks)
    found = []
    if ranks.first:
        one = train(case.settings | case.of_reference, ALONE)
        found.append(row(case.name, case.reference, one, many))
        if not case.of_reference:
            nudged = train(case.settings, ALONE, nudge=ROUNDING)
            found.append(row("one process", "itself, begun 6e-8 off", one, nudged))
        print("\n".join(found), flush=True)
    ranks.any([True])  # the others wait for the references
    return found


def table(ranks: Ranks) -> str:
    columns = ("equal decisions", "loss", "weight after a step", "weight after an epoch")
    lines = [f"| {ranks.size} processes | against | {' | '.join(columns)} |", "|---|---|---|---|---|---|"]
    for case in CASES:
        lines += rows(case, ranks)
    machine = f"torch {torch.__version__}, one thread each, {platform.machine()}, gloo"
    what = "Largest differences of any step's loss and of any weight of both models. Batches of 64, cut into two of 32"
    return "\n".join([*lines, "", f"{what}; {machine}. `make ddp-figures` writes this table."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="the page whose table is written anew")
    arguments = parser.parse_args()
    ranks = Ranks.join()
    try:
        text = table(ranks)
        if ranks.first:
            print(text)
        if ranks.first and arguments.write:
            write_between(arguments.write, text)
    finally:
        ranks.leave()


if __name__ == "__main__":
    main()
