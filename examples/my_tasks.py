"""A regression for `seek train` (docs/own_models.md): the disease of 442 patients, by two nested perceptrons.

cd examples && seek train --base my_tasks:small --motivated my_tasks:large --data my_tasks:diabetes \
    --task my_tasks:regression --epochs 60 --batch-size 34 --lr 3e-3
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.nn import functional

import seekcli

TRAINING = 340


def diabetes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs float [N, 10] and targets [N] for training, the same for testing, both scaled by the training rows."""
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order], y[order]
    x = (x - x[:TRAINING].mean(0)) / x[:TRAINING].std(0)
    y = (y - y[:TRAINING].mean()) / y[:TRAINING].std()
    return x[:TRAINING], y[:TRAINING], x[TRAINING:], y[TRAINING:]


class Perceptron(nn.Module):
    """[B, features] -> [B, outputs]"""

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(features, hidden), nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.layer(x)))


def small(outputs: int, features: int, size: int) -> nn.Module:
    return Perceptron(features, 16, outputs)


def large(outputs: int, features: int, size: int) -> nn.Module:
    return Perceptron(features, 64, outputs)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(outputs[:, 0], targets)


def r2(outputs: Tensor, targets: Tensor) -> Tensor:
    return 1 - squared_error(outputs, targets) / targets.var(correction=0)


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).abs().mean()


def regression() -> seekcli.OwnTask:
    return seekcli.OwnTask(
        loss=squared_error,
        metrics={"r2": r2, "absolute_error": absolute_error},
        lower_is_better=("absolute_error",),
        loss_unit="variances of the target",
    )
