"""`--recalibrate`: the BatchNorm statistics of a model that is written already, estimated anew on training images.

It mends the files of runs that were made before `pair.recalibrate_batches`, or with it off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

    from seekcli.config.schema import RunConfig
    from seekcli.data.sets.sources import Dataset
    from seekcli.export.card import Card


@dataclass(frozen=True)
class Recalibrated:
    """What was done: on how many batches and images of which data, and where their augmentation comes from."""

    batches: int
    images: int
    data: str
    augmented_as: str

    def __str__(self) -> str:
        counts = f"{self.batches} training batches ({self.images:,} images) of {self.data}"
        return f"BatchNorm statistics re-estimated on {counts}, augmented as {self.augmented_as}, not mixed"


def recalibrate(
    card: Card, model: nn.Module, dataset: Dataset, run: RunConfig | None, device_name: str
) -> Recalibrated:
    """Estimate the statistics of `model` anew, in place, as its run would have done at its end.

    `run` is the config of its run; an export alone knows no more than its recipe. The batches are those of the last
    epoch, a pure function of its seed. Raises BadInput for a model without BatchNorm statistics, and for a data set
    without training images.
    """
    import torch

    from seekcli.method.pair import running_statistics
    from seekcli.resolve.build import build_batches, recalibration_of
    from seekcli.resolve.length import length_of

    if not running_statistics(model):
        raise BadInput(f"--recalibrate: {card.model} has no BatchNorm statistics to estimate")
    if dataset.facts.train_images == 0:
        raise BadInput(
            f"--recalibrate takes training images of the run's own data, and --data {dataset.facts.name} is another "
            "set: `seek export RUN --recalibrate` writes the model with its statistics, to evaluate it then"
        )
    config = run_like(card, run)
    batches = build_batches(config, dataset, torch.device(device_name))
    recalibration = recalibration_of(config, batches)
    assert recalibration is not None
    last_epoch = length_of(config, batches.steps_per_epoch).epochs - 1
    try:
        estimated = recalibration.recalibrated({card.role: model}, last_epoch)[card.role]
    finally:
        batches.close()
    model.load_state_dict(estimated.state_dict())
    by = "in its run" if run is not None else f"recipe {card.training.recipe} says"
    return Recalibrated(len(recalibration.batches.bounds), recalibration.images, dataset.facts.name, by)


def run_like(card: Card, run: RunConfig | None) -> RunConfig:
    """The run's settings, or those that its card and recipe tell, with a number of batches where it had none."""
    from seekcli.config.layers import load_recipe, merge
    from seekcli.config.settings import RECALIBRATE_BATCHES, flatten
    from seekcli.config.settings_files import is_recipe_file

    training, evaluation = card.training, card.evaluation
    if run is None and is_recipe_file(training.recipe):
        raise BadInput(
            f"--recalibrate: the model was trained by {training.recipe}, a recipe that its card cannot tell: give the "
            "run instead of the export"
        )
    known: Mapping[str, Any] = dict(flatten(run.model_dump())) if run is not None else {
        **load_recipe(training.recipe, training.data),
        "seed": training.seed,
        "train.epochs": training.epochs,
        "runtime.precision": evaluation.precision,
        "runtime.layout": evaluation.layout,
    }  # fmt: skip
    batches = run.pair.recalibrate_batches if run is not None else None
    sizes = {"data.image_size": card.input.image_size, "train.eval_batch_size": evaluation.batch_size}
    chosen = {"pair.recalibrate_batches": batches or RECALIBRATE_BATCHES, **sizes}
    return merge([("card", known), ("--recalibrate", chosen)]).config
