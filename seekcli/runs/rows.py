"""From what an epoch did to the rows that are recorded: one per role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from seekcli.config.condition_settings import settings_read
from seekcli.config.schema import RunConfig
from seekcli.documents import SCHEMA_VERSION
from seekcli.method.cost_measures import training_flops_per_image
from seekcli.train.tasks.classification import Evaluation
from seekcli.train.tasks.task import Measured, Measurements
from seekcli.train.trainer import Trainer
from seekcli.train.usage import usage_columns

# What a split may have columns for; a task measures some of them.
OTHER_MEASURES = ("perplexity", "bits_per_byte", "r2")
MEASURED = {
    "test": ("loss", "accuracy_percent", "top5_accuracy_percent", "balanced_accuracy_percent", *OTHER_MEASURES),
    "validation": ("loss", "accuracy_percent", "balanced_accuracy_percent", *OTHER_MEASURES),
}


def run_columns(config: RunConfig, run_id: str, coverage: float | None) -> dict[str, Any]:
    """The columns that are the same in every row of a run. A classic run has no pair, condition or map."""
    grown = config.schedule == "grow"
    reads_k = not grown and "k" in settings_read(config.motivation.condition)
    motivation = {
        "pair": config.pair_name,
        "condition": None if grown else config.motivation.condition,
        "k": config.motivation.k if reads_k else None,
        "init": config.pair.init,
        "map": config.pair.map,
        "coverage": coverage,
        "buffers": config.pair.buffers,
        "recalibrate_batches": config.pair.recalibrate_batches,
    }
    return {
        "run_id": run_id,
        "schema_version": SCHEMA_VERSION,
        "schedule": config.schedule,
        "data": config.data.name,
        "recipe": config.recipe,
        "seed": config.seed,
        "batch_size": config.train.batch_size,
        "precision": config.runtime.precision,
        "device_type": config.runtime.device.partition(":")[0],
        "smoke": config.smoke or None,
        **(dict.fromkeys(motivation) if config.classic else motivation),
    }


def epoch_rows(
    config: RunConfig,
    trainer: Trainer,
    columns: Mapping[str, Any],
    forward_macs: Mapping[str, float],
    train_macs: Mapping[str, float],
    evaluations: Mapping[str, Measurements],
    others: Mapping[str, Measured],
    epoch_seconds: float,
) -> list[dict[str, Any]]:
    """The rows of the epoch that the trainer has just finished. Counts are of the epoch, the same in both rows.

    `forward_macs` is at the size of the test images, `train_macs` at that of the training images. `others` is what
    `Trainer.evaluate_other_statistics` found.
    """
    log = trainer.log
    images = {role: log.images_of(role) for role in trainer.models}
    shared = {
        **columns,
        "epoch": trainer.epoch + 1,
        "base_steps": log.roles.count("base"),
        "motivated_steps": log.roles.count("motivated"),
        "switches": trainer.turn_rule.switches - log.switches_before,
        "learning_rate": log.learning_rates[-1],
        "base_images": log.images_of("base"),
        "motivated_images": log.images_of("motivated"),
        "train_flops": sum(training_flops_per_image(train_macs[role]) * count for role, count in images.items()),
        "condition_flops": condition_flops(trainer, forward_macs),
        "copied_bytes": trainer.turn_rule.copied_bytes - log.copied_bytes_before,
        "epoch_seconds": epoch_seconds,
        "images_per_second": sum(images.values()) / log.seconds,
        "peak_memory_bytes": peak_memory_bytes(trainer.device),
        **usage_columns(trainer, evaluations),
    }
    return [
        {
            **shared,
            "model": config.model_name(role),
            "role": role,
            "train_loss": log.mean_loss(role),
            **evaluation_columns(evaluations.get(role, {}), forward_macs[role]),
            **own_columns(trainer, evaluations.get(role, {})),
            **statistics_columns(trainer, evaluations.get(role, {}), others.get(role), forward_macs[role]),
        }
        for role in trainer.models
    ]


def condition_flops(trainer: Trainer, forward_macs: Mapping[str, float]) -> float:
    """What the condition cost beyond the steps: a forward of the held-out batch through the active model of each."""
    images = trainer.held_out.images if trainer.held_out else 0
    return sum(2.0 * forward_macs[role] * images for role in trainer.log.roles)


def evaluation_columns(evaluations: Measurements, forward_macs: float) -> dict[str, Any]:
    """What was measured of one role at the end of an epoch, null where nothing was, or the task does not have it."""
    measured = {split: found.columns() for split, found in evaluations.items()}
    return {
        "forward_macs_per_image": forward_macs,
        **{f"{split}_{name}": measured.get(split, {}).get(name) for split, names in MEASURED.items() for name in names},
        "evaluation_flops": sum(2.0 * forward_macs * found.images for found in evaluations.values()),
    }


def own_columns(trainer: Trainer, evaluations: Measurements) -> dict[str, float | None]:
    """What a task of somebody's own measures beyond what every table has a column for."""
    names = [name for name in trainer.task.own_metrics if name not in MEASURED["test"]]
    measured = {split: evaluations[split].columns() if split in evaluations else {} for split in trainer.batches.splits}
    return {f"{split}_{name}": columns.get(name) for split, columns in measured.items() for name in names}


def statistics_columns(
    trainer: Trainer, evaluations: Measurements, other: Measured | None, forward_macs: float
) -> dict[str, Any]:
    """The test accuracy with BatchNorm statistics as trained and re-estimated, null where it was not measured.

    The FLOPs are of the re-estimation, and of the evaluation that stands beside the one of the model that is kept.
    """
    test, classic = evaluations.get("test"), not trainer.keeps_recalibrated
    kept, beside = (found.columns().get("accuracy_percent") if found else None for found in (test, other))
    re_estimates = trainer.recalibration is not None and (other is not None or (bool(evaluations) and not classic))
    images = trainer.recalibration.images if trainer.recalibration and re_estimates else 0
    return {
        "test_accuracy_as_trained_percent": kept if classic or not re_estimates else beside,
        "test_accuracy_recalibrated_percent": None if not re_estimates else beside if classic else kept,
        "recalibration_flops": 2.0 * forward_macs * (images + (other.images if other else 0)),
    }


def class_rows(
    evaluations: Mapping[str, Measurements], run_id: str, epoch: int, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of classes.parquet: every class of every role and split that was evaluated.

    None where the task has no classes.
    """
    return [
        {
            "run_id": run_id,
            "epoch": epoch,
            "role": role,
            "split": split,
            "class_index": index,
            "class_name": class_names[index],
            "images": found.class_images[index],
            "correct": found.class_correct[index],
            "accuracy_percent": accuracy_percent,
        }
        for role, by_split in evaluations.items()
        for split, found in by_split.items()
        if isinstance(found, Evaluation)
        for index, accuracy_percent in enumerate(found.class_accuracy_percent)
    ]


def step_columns(trainer: Trainer, run_id: str) -> dict[str, list[Any]]:
    """The updates of the finished epoch, by column; `step` counts batches from 1 over the whole run."""
    log = trainer.log
    first = trainer.length.steps_before(trainer.epoch) + 1
    return {
        "run_id": [run_id] * len(log.roles),
        "epoch": [trainer.epoch + 1] * len(log.roles),
        "step": [first + batch for batch in log.batches],
        "role": list(log.roles),
        "loss": list(log.losses),
        "learning_rate": list(log.learning_rates),
    }


def peak_memory_bytes(device: torch.device) -> int | None:
    """Peak bytes that torch had allocated on a CUDA device in this process; None where torch does not count them."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
