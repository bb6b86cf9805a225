"""A run small enough for a test: ResNet-8 in ResNet-14 on 1x8x8 synthetic images, a second or two on one core."""

from __future__ import annotations

from typing import Any

from seekcli.config.layers import Resolved
from seekcli.resolve.resolve import resolve

TINY = {
    "pair.base": "resnet8",
    "pair.motivated": "resnet14",
    "pair.recalibrate_batches": 0,
    "motivation.k": 1,
    "data.name": "synthetic:1x8x8:3:30",  # 24 training images
    "train.epochs": 3,
    "train.batch_size": 4,
    "optimizer.lr": 0.02,
    "recipe": "digits",
    "runtime.device": "cpu",
    "runtime.checkpoint_minutes": 60.0,
}


def tiny(**changes: Any) -> Resolved:
    """The tiny run with settings changed: `tiny(seed=1, train__epochs=2)`; two underscores stand for the dot."""
    settings = TINY | {key.replace("__", "."): value for key, value in changes.items()}
    return resolve([("test", settings)])
