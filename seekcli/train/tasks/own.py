"""A task of somebody's own: its loss, and metrics that are numbers of all outputs and targets of a split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seekcli.errors import RunFailed
from seekcli.own_code.paths import line_of
from seekcli.train.tasks.task import Task

Metric = Callable[[Tensor, Tensor], Any]


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """What a callable that `--task package.module:name` names returns.

    `loss` takes what the model gave, float32 [B, ...], and the targets of the batch, and returns their mean loss, a 0-d
    tensor. Each of `metrics` takes the same of a whole split and returns a number; its name is a word of lower-case
    letters, digits and `_`, and is recorded as `test_NAME` and `validation_NAME`. More is better, but of those that
    `lower_is_better` names. `loss_unit` is what the loss is in: runs of different units are not compared.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    loss_unit: str = "loss"


@dataclass(frozen=True)
class OwnEvaluation:
    """Mean loss and the metrics, over so many rows or images."""

    loss: float
    images: int
    metrics: Mapping[str, float]

    def columns(self) -> dict[str, float | None]:
        return {"loss": self.loss, **self.metrics}


def task_from(own: OwnTask, path: str) -> Task:
    """As the loop takes it. What its code does wrong in a run is a RunFailed that names `path`."""
    loss = partial(mean_loss, own, path)
    return Task(
        name="a task of your own",
        loss=loss,
        summed_loss=lambda outputs, targets: loss(outputs, targets) * targets.numel(),
        evaluate=partial(evaluate_own, own, path),
        own_metrics={name: name not in own.lower_is_better for name in own.metrics},
        loss_unit=own.loss_unit,
    )


def mean_loss(own: OwnTask, path: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """0-d. Raises RunFailed where the code raises, or gives anything else."""
    try:
        found = own.loss(outputs, targets)
    except torch.OutOfMemoryError:
        raise
    except (Exception, SystemExit) as error:  # anybody's code
        shapes = f"outputs {list(outputs.shape)} and targets {list(targets.shape)}"
        raise RunFailed(f"task {path}: its loss of {shapes} raised {line_of(error)}") from error
    if not isinstance(found, Tensor) or found.dim() or not found.is_floating_point():
        given = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise RunFailed(f"task {path}: its loss gave {given} instead of a 0-d float tensor, the mean over the batch")
    return found


def metric_value(own: OwnTask, path: str, name: str, outputs: Tensor, targets: Tensor) -> float:
    """Raises RunFailed where the metric raises, or gives no number; one that is not finite is a number."""
    try:
        found = own.metrics[name](outputs, targets)
    except torch.OutOfMemoryError:
        raise
    except (Exception, SystemExit) as error:  # anybody's code
        raise RunFailed(f"task {path}: its metric {name} raised {line_of(error)}") from error
    if isinstance(found, bool | str | None):
        raise RunFailed(f"task {path}: its metric {name} gave {found!r}, which is not a number")
    try:
        return float(found)
    except (TypeError, ValueError, RuntimeError):
        given = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise RunFailed(f"task {path}: its metric {name} gave {given}, which is not a number") from None


@torch.no_grad()
def evaluate_own(
    own: OwnTask,
    path: str,
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast_dtype: torch.dtype | None = None,
    watcher: Callable[[int], None] = lambda rows: None,
) -> OwnEvaluation:
    """Evaluate in eval mode and put the training mode back. All outputs of the split are held at once.

    Raises RunFailed for a metric that is not finite, ValueError when there is nothing to evaluate on.
    """
    was_training = model.training
    model.eval()
    outputs, targets, seen = [], [], 0
    for inputs, wanted in batches:
        with torch.autocast(inputs.device.type, autocast_dtype, enabled=autocast_dtype is not None):
            given = model(inputs)
        outputs.append(given.float())
        targets.append(wanted)
        seen += len(wanted)
        watcher(seen)
    model.train(was_training)
    if not seen:
        raise ValueError("there is nothing to evaluate on")
    both = torch.cat(outputs), torch.cat(targets)
    loss = float(mean_loss(own, path, *both))
    if not math.isfinite(loss):  # the loop says at which step; metrics of such outputs mean nothing
        return OwnEvaluation(loss, seen, {})
    metrics = {name: metric_value(own, path, name, *both) for name in own.metrics}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise RunFailed(f"task {path}: its metric {name} is {value} over {seen:,} test or validation examples")
    return OwnEvaluation(loss, seen, metrics)
