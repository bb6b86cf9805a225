"""Regression with two nested multilayer perceptrons in a loop of one's own, recorded for `seek compare`.

python examples/regression.py --out results/diabetes --all --seeds 3
seek compare results/diabetes --metric test_r2

The data is scikit-learn's diabetes: 442 patients, 10 measurements each, a measure of the disease a year later.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.nn import functional

import seekcli

TRAINING, BATCH = 354, 32  # patients; the other 88 are for test
NAMES, HIDDEN = ("mlp-16", "mlp-64"), (16, 64)


@dataclass(frozen=True)
class Patients:
    """Measurements [N, 10] and the target [N, 1], both of mean 0 and deviation 1 over the training patients."""

    x: Tensor
    y: Tensor


def load() -> tuple[Patients, Patients]:
    data = load_diabetes()
    x, y = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target, dtype=torch.float32)[:, None]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:TRAINING], order[TRAINING:]
    x, y = ((one - one[train].mean(0)) / one[train].std(0) for one in (x, y))
    return Patients(x[train], y[train]), Patients(x[test], y[test])


def build(hidden: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def error_of(model: nn.Module, patients: Patients) -> float:
    return float(functional.mse_loss(model(patients.x), patients.y))


def loop_of(schedule: str, asked: argparse.Namespace, seed: int, patients: Patients):
    """The seed gives all three runs the same two models to start from."""
    torch.manual_seed(seed)
    small, large = (nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for hidden in HIDDEN)
    optimizers = torch.optim.AdamW(small.parameters(), 3e-3), torch.optim.AdamW(large.parameters(), 3e-3)
    record = seekcli.Record(
        asked.out,
        data="diabetes",
        names=NAMES,
        epochs=asked.epochs,
        batch_size=BATCH,
        seed=seed,
        forward_macs=tuple(10.0 * hidden + hidden for hidden in HIDDEN),
        loss_unit="variances of the target",
    )
    if schedule == "base":
        return seekcli.Alone(small, optimizers[0], role="base", record=record)
    if schedule == "motivated":
        return seekcli.Alone(large, optimizers[1], role="motivated", record=record)
    pair = seekcli.Pair.nested(small, large, sample=patients.x)
    return seekcli.Alternating(pair, optimizers=optimizers, condition=seekcli.conditions.Loss(k=2), record=record)


def train(loop, asked: argparse.Namespace, seed: int, training: Patients, test: Patients) -> None:
    variance = float(test.y.var(correction=0))
    metrics = {
        "test_loss": lambda model: error_of(model, test),
        "test_r2": lambda model: 1 - error_of(model, test) / variance,
    }
    for epoch in range(asked.epochs):
        order = torch.randperm(TRAINING, generator=torch.Generator().manual_seed(1000 * seed + epoch))
        for batch in order.split(BATCH):
            model, optimizer = loop.active
            loss = functional.mse_loss(model(training.x[batch]), training.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loop.step(loss)
        found = loop.end_epoch(metrics)
    shown = ", ".join(f"{role} {values['test_r2']:.3f}" for role, values in found.items())
    print(f"seed {seed}, {loop.schedule}: test R2 {shown}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1, help="so many, from 0")
    parser.add_argument("--all", action="store_true", help="base alone and larger alone too")
    parser.add_argument("--out", type=Path, default=Path("results/diabetes"))
    asked = parser.parse_args()
    training, test = load()
    for seed in range(asked.seeds):
        for schedule in ("alternating", "base", "motivated") if asked.all else ("alternating",):
            loop = loop_of(schedule, asked, seed, training)
            train(loop, asked, seed, training, test)
            loop.save(asked.out / "models" / f"{schedule}-{seed}")
    print(f"seek compare {asked.out} --metric test_r2")


if __name__ == "__main__":
    main()
