"""Rows, statuses and run folders as they are recorded, made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekcli import files
from seekcli.documents import SCHEMA_VERSION
from seekcli.runs import records
from seekcli.runs.records import Row, RunStatus


def epoch_row(epoch: int = 1, role: str = "base", **changes: Any) -> Row:
    return {
        "run_id": "resnet20-to-32_digits_s0",
        "schema_version": SCHEMA_VERSION,
        "pair": "resnet20-to-32",
        "model": {"base": "resnet20", "motivated": "resnet32"}[role],
        "role": role,
        "schedule": "alternating",
        "data": "digits",
        "recipe": "digits",
        "condition": "loss",
        "k": 2,
        "init": "identity",
        "map": "aligned",
        "coverage": 1.0,
        "seed": 0,
        "batch_size": 64,
        "precision": "fp32",
        "device_type": "cpu",
        "epoch": epoch,
        "train_loss": 0.1 + epoch,
        "test_loss": 0.7,
        "test_accuracy_percent": 98.61,
        "base_steps": 19,
        "motivated_steps": 4,
        "switches": 6,
        "learning_rate": 0.1,
        "forward_macs_per_image": 2_560_000.0,
        "train_flops": 0.3 * epoch,
        "evaluation_flops": 5.0 if role == "base" else 8.0,
        "condition_flops": 0.25,
        "copied_bytes": 1000,
        "epoch_seconds": 1.5,
        "images_per_second": 958.0,
        "peak_memory_bytes": None,
        "test_top5_accuracy_percent": 99.9,
        "test_balanced_accuracy_percent": 98.5,
        "validation_loss": None,
        "validation_accuracy_percent": None,
        "validation_balanced_accuracy_percent": None,
        "test_accuracy_as_trained_percent": 98.33,
        "test_accuracy_recalibrated_percent": 98.61,
        "recalibration_flops": 2.0,
        "buffers": "own",
        "recalibrate_batches": 10,
        "base_images": 1181,
        "motivated_images": 256,
        "added_blocks_usage": 0.04,
        "answers_differ_percent": 0.5,
        "base_accuracy_where_differ_percent": 50.0,
        "motivated_accuracy_where_differ_percent": None,
        "smoke": None,
        "test_perplexity": None,
        "test_bits_per_byte": None,
        "validation_perplexity": None,
        "validation_bits_per_byte": None,
        "test_r2": None,
        "validation_r2": None,
    } | changes


def alternating_rows(epochs: int, **changes: Any) -> list[Row]:
    return [epoch_row(epoch, role, **changes) for epoch in range(1, epochs + 1) for role in ("base", "motivated")]


def step_columns(steps: int) -> dict[str, list[Any]]:
    return {
        "run_id": ["r"] * steps,
        "epoch": [1] * steps,
        "step": list(range(1, steps + 1)),
        "role": ["base"] * steps,
        "loss": [1 / step for step in range(1, steps + 1)],
        "learning_rate": [0.1] * steps,
    }


def a_status(run_id: str = "resnet20-to-32_digits_s0", **changes: Any) -> RunStatus:
    rows = alternating_rows(3, run_id=run_id)
    return RunStatus(
        **{
            "run_id": run_id,
            "state": "finished",
            "epochs_done": 3,
            "epochs": 3,
            "steps_done": 69,
            "steps_per_epoch": 23,
            "final": rows[-2:],
            "totals": records.totals_of(rows),
            "expected_share": 1 / 6 * 22 / 23,
            "models": {"base": "resnet20", "motivated": "resnet32"},
        }
        | changes
    )


def make_run(folder: Path, run_id: str) -> Path:
    records.write_status(folder / run_id, a_status(run_id))
    files.write_json(folder / run_id / records.CONFIG, {})
    return folder / run_id
