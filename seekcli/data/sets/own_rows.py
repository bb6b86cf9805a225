"""Rows of numbers of somebody's own (`--data my_data:load`), for a task of one's own: their facts, and both splits.

The callable gives (training inputs, training targets, test inputs, test targets). Inputs are float32 [N, ...], one
shape each; targets are float32 [N] or [N, M], or whole numbers [N, ...]. What they mean, the task knows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from seekcli.config.data_settings import DataConfig
from seekcli.data.keys import key_of
from seekcli.data.sets.dataset import Dataset
from seekcli.data.sets.kind import DataFacts
from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

CONTRACT = "(training inputs, training targets, test inputs, test targets)"
SPLIT = "split by its own code"
# Settings of [data] that are of images or of classes, with what they are left at.
OF_IMAGES = {
    "train_size": None,
    "limit_train": None,
    "test_images": None,
    "folds": None,
    "fold": None,
    "fit": "crop",
    "grey_bits": None,
    "whole_digest": False,
}


class Rows(NamedTuple):
    """What the callable gave, as tensors: inputs float32 [N, ...], targets float32 or int64 [N, ...]."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.train_inputs.shape[1:])

    @property
    def outputs(self) -> int:
        """What a model is built for: numbers that are predicted of one row, or the classes of whole numbers [N]."""
        targets = self.train_targets
        if targets.is_floating_point():
            return 1 if targets.dim() == 1 else int(targets.shape[1])
        return max(2, int(max(targets.max(), self.test_targets.max())) + 1)


def rows_of(said: str, given: tuple[Any, ...] | list[Any]) -> Rows:
    """Raises BadInput, beginning with `said`, for anything else than rows."""
    if len(given) != 4:
        raise BadInput(f"{said}: gave {len(given)} things, and its inputs are numbers: {CONTRACT} is needed")
    inputs = [inputs_of(said, split, given[place]) for split, place in (("training", 0), ("test", 2))]
    if inputs[0].shape[1:] != inputs[1].shape[1:]:
        shapes = [list(each.shape[1:]) for each in inputs]
        raise BadInput(f"{said}: its training inputs are {shapes[0]} and its test inputs {shapes[1]}: give one shape")
    targets = [
        targets_of(said, split, given[place], rows)
        for split, place, rows in (("training", 1, inputs[0]), ("test", 3, inputs[1]))
    ]
    if targets[0].shape[1:] != targets[1].shape[1:] or targets[0].dtype != targets[1].dtype:
        kinds = [f"{each.dtype} {list(each.shape)}".removeprefix("torch.") for each in targets]
        raise BadInput(f"{said}: its training targets are {kinds[0]} and its test targets {kinds[1]}: give one kind")
    if len(inputs[0]) < 2:
        raise BadInput(f"{said}: 1 training row is too few to train on")
    return Rows(inputs[0], targets[0], inputs[1], targets[1])


def inputs_of(said: str, split: str, given: Any) -> Tensor:
    import torch

    from seekcli.data.sets.own_data import as_tensor

    inputs = as_tensor(said, f"{split} inputs", given, "a float array [N, ...]")
    if not inputs.is_floating_point() or inputs.dim() < 2 or 0 in inputs.shape:
        kind = str(inputs.dtype).removeprefix("torch.")
        raise BadInput(f"{said}: its {split} inputs are {kind} {list(inputs.shape)}: float [N, ...] is needed")
    return finite(said, f"{split} inputs", inputs.to(torch.float32)).contiguous()


def targets_of(said: str, split: str, given: Any, inputs: Tensor) -> Tensor:
    import torch

    from seekcli.data.sets.own_data import as_tensor

    targets = as_tensor(said, f"{split} targets", given, "an array [N, ...]")
    if targets.dim() < 1 or len(targets) != len(inputs) or 0 in targets.shape:
        raise BadInput(
            f"{said}: its {split} targets are {list(targets.shape)} for {len(inputs)} rows: one each is needed"
        )
    if targets.is_floating_point():
        return finite(said, f"{split} targets", targets.to(torch.float32)).contiguous()
    if targets.is_complex() or targets.dtype == torch.bool:
        raise BadInput(f"{said}: its {split} targets are {targets.dtype}: floats or whole numbers are needed")
    if int(targets.min()) < 0:
        raise BadInput(f"{said}: its {split} targets have {int(targets.min())}: whole numbers from 0 on are needed")
    return targets.to(torch.int64).contiguous()


def finite(said: str, what: str, values: Tensor) -> Tensor:
    if not bool(values.isfinite().all()):
        raise BadInput(f"{said}: its {what} hold a number that is not finite")
    return values


def row_facts(path: str, rows: Rows, data: DataConfig) -> DataFacts:
    """A model is built for (outputs, numbers in the first dimension, size of the last one, 1 where there is none).

    Raises BadInput for a setting that rows do not have, and for one that leaves too few to train on.
    """
    if data.input_shape is None and data.image_size is not None:
        raise BadInput(f"--image-size {data.image_size} is for images, and {path} gives rows of numbers")
    for name, unset in OF_IMAGES.items():
        if (value := getattr(data, name)) != unset:
            raise BadInput(f"data.{name} {value} is for images and their classes, and {path} gives rows of numbers")
    shape = rows.input_shape
    kept = len(rows.train_inputs) - validation_count(rows, data) - data.holdout_images
    if kept < 2:
        raise BadInput(
            f"data.holdout_images {data.holdout_images}, data.validation_fraction {data.validation_fraction:g}: "
            f"{max(kept, 0)} of {len(rows.train_inputs)} rows are left to train on"
        )
    side = shape[-1] if len(shape) > 1 else 1
    return DataFacts(path, rows.outputs, shape[0], side, kept, len(rows.test_inputs), shape)


def validation_count(rows: Rows, data: DataConfig) -> int:
    return math.floor(data.validation_fraction * len(rows.train_inputs) + 0.5)


def rows_summary(facts: DataFacts, validation: int = 0, held_out: int = 0) -> str:
    """`my_data:load: 342 training and 100 test rows of 10 numbers; split by its own code`"""
    assert facts.input_shape is not None
    counts = {"training": facts.train_images, "held-out": held_out, "validation": validation}
    words = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    shape = "x".join(map(str, facts.input_shape))
    return f"{facts.name}: {words} and {facts.test_images:,} test rows of {shape} numbers; {SPLIT}"


def load_rows(path: str, rows: Rows, data: DataConfig, fingerprint: str) -> Dataset:
    """Both splits, and the validation rows that a fixed seed chooses. Raises BadInput for other rows than the run's."""
    import torch

    if data.fingerprint not in (None, fingerprint):
        raise BadInput(f"--data {path}: its rows are not those that this run was made for")
    facts, count = row_facts(path, rows, data), validation_count(rows, data)
    chosen = set(chosen_rows(len(rows.train_inputs), count))
    kept = torch.tensor([row for row in range(len(rows.train_inputs)) if row not in chosen])
    taken = torch.tensor(sorted(chosen), dtype=torch.int64)
    return Dataset(
        facts, rows.train_inputs[kept], rows.train_targets[kept], rows.test_inputs, rows.test_targets, (), (), (),
        SPLIT, data.rules, fingerprint,
        validation_images=rows.train_inputs[taken] if count else None,
        validation_labels=rows.train_targets[taken] if count else None,
        words=rows_summary(facts, count, data.holdout_images),
    )  # fmt: skip


def chosen_rows(rows: int, count: int) -> list[int]:
    return sorted(range(rows), key=lambda row: key_of("validation rows", row))[:count]
