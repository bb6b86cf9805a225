"""What each column of a run's tables means, and what it is of: `seek list columns` and docs/columns.md show it.

A run of two models has two rows an epoch. What is of the run or of the epoch stands in both: count it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Of(StrEnum):
    RUN = "run"
    EPOCH = "epoch"
    ROLE = "role"
    UPDATE = "update"
    CLASS = "class"


@dataclass(frozen=True)
class Meaning:
    of: Of
    about: str


def _meanings(**by_owner: dict[str, str]) -> dict[str, Meaning]:
    return {name: Meaning(Of(of), about) for of, columns in by_owner.items() for name, about in columns.items()}


EPOCH_COLUMNS = _meanings(
    run={
        "run_id": "the name of the run folder",
        "schema_version": "version of the settings by which the run id was made",
        "pair": "both models; null for a model trained alone",
        "schedule": "alternating, base, motivated or grow",
        "data": "data.name",
        "recipe": "recipe",
        "condition": "motivation.condition; null for a model trained alone and where the schedule is grow",
        "k": "motivation.k; null where the condition does not read it",
        "init": "pair.init; null for a model trained alone",
        "map": "pair.map; null for a model trained alone",
        "coverage": "share of the base's weights that the weights map reaches, 0 to 1; null for a model trained alone",
        "seed": "seed",
        "batch_size": "train.batch_size, images",
        "precision": "runtime.precision",
        "device_type": "cpu or cuda",
        "buffers": "pair.buffers; null for a model trained alone",
        "recalibrate_batches": "pair.recalibrate_batches; null for a model trained alone",
        "smoke": "true for a run at a small size that is no result (`seek grid run --smoke`), null for any other",
    },
    epoch={
        "epoch": "from 1",
        "base_steps": "updates of the base",
        "motivated_steps": "updates of the larger model",
        "base_images": "training images in them; null in tables of older programs",
        "motivated_images": "training images in them; null in tables of older programs",
        "switches": "changes of the active model",
        "learning_rate": "of the last update",
        "train_flops": "of all updates of both models: 3 x forward MACs x 2 an image",
        "condition_flops": "what the condition cost beyond the updates",
        "copied_bytes": "weights and states copied between the models",
        "epoch_seconds": "training and evaluation, wall time; differs between two equal runs",
        "images_per_second": "of training; differs between two equal runs",
        "peak_memory_bytes": "allocated by torch on a CUDA device so far; null elsewhere",
        "added_blocks_usage": "size of the last normalisation of added blocks over that of mapped ones; null elsewhere",
        "answers_differ_percent": "test images that the two models answer differently; null for a model trained alone",
        "base_accuracy_where_differ_percent": "of the base, on these images; null where there are none",
        "motivated_accuracy_where_differ_percent": "of the larger model, on these images; null where there are none",
    },
    role={
        "role": "base or motivated",
        "model": "the role's model",
        "train_loss": "mean over the images of the role's updates; null without one",
        "test_loss": "nats, per image or per token of a text; null where it was not evaluated",
        "test_accuracy_percent": "of the model as it is written; null where it was not evaluated",
        "test_top5_accuracy_percent": "null below 6 classes and where it was not evaluated",
        "test_balanced_accuracy_percent": "mean recall over the classes; null where it was not evaluated",
        "validation_loss": "on the validation split or the fold; null where there is none",
        "validation_accuracy_percent": "on the validation split or the fold; null where there is none",
        "validation_balanced_accuracy_percent": "mean recall over the classes; null where there is none",
        "test_accuracy_as_trained_percent": "with the BatchNorm statistics that training left; null in older tables",
        "test_accuracy_recalibrated_percent": "with re-estimated BatchNorm statistics; null where not measured",
        "test_perplexity": "exp(test_loss), per token of a text; null for images and where it was not evaluated",
        "test_bits_per_byte": "test loss in bits per byte of the text; null for images and where it was not evaluated",
        "validation_perplexity": "exp(validation_loss), per token of a text; null for images and without such a split",
        "validation_bits_per_byte": "in bits per byte of the text; null for images and without such a split",
        "test_r2": "1 - squared error / variance of the targets, of a regression; null for any other task",
        "validation_r2": "the same on the validation split; null for any other task",
        "forward_macs_per_image": "of the role's model, at the size of the test images; the same in every epoch",
        "evaluation_flops": "of the test and validation images",
        "recalibration_flops": "of the re-estimation and the evaluation beside; null in older tables",
    },
)
STEP_COLUMNS = _meanings(
    run={"run_id": "the name of the run folder"},
    update={
        "epoch": "from 1",
        "step": "from 1 over the whole run; of a growing run a step may have an update of either model",
        "role": "the model that was updated: base or motivated",
        "loss": "mean over the images of the batch, before the update",
        "learning_rate": "of the update",
    },
)
CLASS_COLUMNS = _meanings(
    run={"run_id": "the name of the run folder"},
    role={"role": "base or motivated", "epoch": "of the last evaluation, from 1", "split": "test or validation"},
    **{
        "class": {
            "class_index": "from 0",
            "class_name": "as the data names it",
            "images": "of the class in the split",
            "correct": "of these, answered rightly by the role's model",
            "accuracy_percent": "correct / images; null for a class without images",
        }
    },
)

# In the words of people who read the tables.
WHOSE = {
    Of.RUN: "run",
    Of.EPOCH: "epoch: in both role rows, count it once",
    Of.ROLE: "role",
    Of.UPDATE: "update",
    Of.CLASS: "class of a split",
}


def column_rows() -> list[dict[str, Any]]:
    """Every column of every table, in the order of the files."""
    from seekcli.runs import records

    tables = (
        (records.EPOCHS, records.EPOCH_SCHEMA, EPOCH_COLUMNS),
        (records.STEPS, records.STEP_SCHEMA, STEP_COLUMNS),
        (records.CLASSES, records.CLASS_SCHEMA, CLASS_COLUMNS),
    )
    return [
        {
            "table": table,
            "column": field.name,
            "type": f"{field.type}{' or null' if field.nullable else ''}",
            "of": WHOSE[meanings[field.name].of],
            "about": meanings[field.name].about,
        }
        for table, schema, meanings in tables
        for field in schema
    ]
