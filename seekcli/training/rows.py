"""From what an epoch did to the rows that are recorded: one per role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from seekcli.config import SCHEMA_VERSION, RunConfig
from seekcli.flops import training_flops_per_image
from seekcli.training.evaluation import Evaluation
from seekcli.training.trainer import Trainer


def run_columns(config: RunConfig, run_id: str, coverage: float | None) -> dict[str, Any]:
    """The columns that are the same in every row of a run. A classic run has no pair, condition or map."""
    motivation = {
        "pair": config.pair_name,
        "condition": config.motivation.condition,
        "k": config.motivation.k,
        "init": config.pair.init,
        "map": config.pair.map,
        "coverage": coverage,
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
        **(dict.fromkeys(motivation) if config.classic else motivation),
    }


def epoch_rows(
    trainer: Trainer,
    columns: Mapping[str, Any],
    forward_macs: Mapping[str, float],
    evaluations: Mapping[str, Evaluation],
    epoch_seconds: float,
) -> list[dict[str, Any]]:
    """The rows of the epoch that the trainer has just finished. Counts are of the epoch, the same in both rows."""
    log, config = trainer.log, trainer.config
    images = {role: log.images_of(role) for role in trainer.models}
    shared = {
        **columns,
        "epoch": trainer.epoch + 1,
        "base_steps": log.roles.count("base"),
        "motivated_steps": log.roles.count("motivated"),
        "switches": trainer.turns.switches - log.switches_before,
        "learning_rate": log.learning_rates[-1],
        "train_flops": sum(training_flops_per_image(forward_macs[role]) * count for role, count in images.items()),
        "condition_flops": 0.0,
        "copied_bytes": trainer.turns.copied_bytes - log.copied_bytes_before,
        "epoch_seconds": epoch_seconds,
        "images_per_second": sum(images.values()) / log.seconds,
        "peak_memory_bytes": peak_memory_bytes(trainer.device),
    }
    return [
        {
            **shared,
            "model": config.model_name(role),
            "role": role,
            "train_loss": log.mean_loss(role),
            **evaluation_columns(evaluations.get(role), forward_macs[role]),
        }
        for role in trainer.models
    ]


def evaluation_columns(evaluation: Evaluation | None, forward_macs: float) -> dict[str, Any]:
    return {
        "forward_macs_per_image": forward_macs,
        "test_loss": evaluation.loss if evaluation else None,
        "test_accuracy_percent": evaluation.accuracy_percent if evaluation else None,
        "evaluation_flops": 2.0 * forward_macs * evaluation.images if evaluation else 0.0,
    }


def step_columns(trainer: Trainer, run_id: str) -> dict[str, list[Any]]:
    """The steps of the finished epoch, by column; `step` counts from 1 over the whole run."""
    log = trainer.log
    first = trainer.epoch * trainer.steps_per_epoch + 1
    return {
        "run_id": [run_id] * len(log.roles),
        "epoch": [trainer.epoch + 1] * len(log.roles),
        "step": list(range(first, first + len(log.roles))),
        "role": list(log.roles),
        "loss": list(log.losses),
        "learning_rate": list(log.learning_rates),
    }


def peak_memory_bytes(device: torch.device) -> int | None:
    """Peak bytes that torch had allocated on a CUDA device in this process; None where torch does not count them."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
