"""A finished run made by hand in a moment: seeded models and the files a real run leaves, through the real writers."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved, load_recipe, merge
from seekcli.config.schema import RunConfig
from seekcli.models.pairs import seeded_model
from seekcli.runs import records

CLASSES, CHANNELS, IMAGE_SIZE = 10, 1, 8
SETTINGS = {
    "pair.base": "resnet8",
    "pair.motivated": "resnet14",
    "pair.init": "identity",
    "pair.recalibrate_batches": 10,
    "recipe": "digits",
    "train.epochs": 3,
    "data.image_size": IMAGE_SIZE,
    "data.classes": CLASSES,
    "data.channels": CHANNELS,
    "runtime.device": "cpu",
    "runtime.precision": "fp32",
    "runtime.layout": "channels_last",
}
# Of an alternating run alone.
PAIR_COLUMNS = ("pair", "condition", "k", "init", "map", "coverage", "buffers", "recalibrate_batches")
FACTS: dict[str, Any] = {
    "classes": CLASSES,
    "channels": CHANNELS,
    "image_size": IMAGE_SIZE,
    "class_names": [str(digit) for digit in range(CLASSES)],
    "mean": [0.3055],
    "std": [0.3765],
    "train_images": 1437,
    "test_images": 360,
    "split": "seeded",
}


def resolved_config(**settings: Any) -> Resolved:
    """Settings are dotted keys with `__` for the dot."""
    own = {key.replace("__", "."): value for key, value in settings.items()}
    return merge([("recipe digits", load_recipe("digits")), ("test", SETTINGS | own)])


def trained_model(name: str, seed: int) -> nn.Module:
    """A seeded model whose BatchNorm statistics are not their initial ones, as after training."""
    model = seeded_model(name, seed, CLASSES, CHANNELS, IMAGE_SIZE)
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in model.state_dict().items():
        if key.endswith("running_mean"):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        elif key.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif key.endswith("num_batches_tracked"):
            tensor.fill_(69)
    return model.eval()


@functools.cache
def trained_weights(name: str, seed: int) -> bytes:
    """The model file of `trained_model`: many tests write the same few."""
    tensors: dict[str, Tensor] = trained_model(name, seed).state_dict()
    return save(tensors)


def final_row(config: RunConfig, role: str, accuracy_percent: float) -> dict[str, Any]:
    motivation: dict[str, Any] = dict.fromkeys(PAIR_COLUMNS)
    if not config.classic:
        motivation = {"pair": config.pair_name, "condition": "loss", "k": 2, "init": "identity", "map": "aligned"}
        motivation |= {"coverage": 1.0, "buffers": "own", "recalibrate_batches": 10}
    return (
        dict.fromkeys(records.EPOCH_SCHEMA.names, 0)
        | {"smoke": None}
        | motivation
        | {
            "run_id": run_id(config),
            "schema_version": 1,
            "model": config.model_name(role),
            "role": role,
            "schedule": config.schedule,
            "data": config.data.name,
            "recipe": config.recipe,
            "seed": config.seed,
            "precision": "fp32",
            "device_type": "cpu",
            "epoch": config.train.epochs,
            "train_loss": 0.125,
            "test_loss": 0.25,
            "test_accuracy_percent": accuracy_percent,
            "forward_macs_per_image": 1.0,
            "base_steps": 23,
        }
    )


def make_run(
    results: Path,
    schedule: str = "alternating",
    *,
    state: str = "finished",
    accuracies: dict[str, float] | None = None,
    facts: dict[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Write the folder of a run and return it."""
    resolved = resolved_config(schedule=schedule, **settings)
    config = resolved.config
    folder = results / "runs" / run_id(config)
    accuracies = accuracies or {"base": 97.5, "motivated": 98.75}
    rows = [final_row(config, role, accuracies[role]) for role in config.roles]
    document = {"schema_version": 1, "run_id": run_id(config), "config": config.model_dump(mode="json")}
    files.write_json(folder / records.CONFIG, document | {"origins": resolved.origins, "facts": FACTS | (facts or {})})
    environment = {"torch": torch.__version__, "threads": torch.get_num_threads(), "cpu": "a CPU", "device": "cpu"}
    files.write_json(folder / records.ENVIRONMENT, environment)
    digests = {}
    for role in config.roles:
        data = trained_weights(config.model_name(role), config.seed)
        files.write_bytes(folder / f"{role}.safetensors", data)
        digests[role] = hashlib.sha256(data).hexdigest()
    status = records.RunStatus(
        run_id=run_id(config),
        state=state,
        epochs_done=config.train.epochs,
        epochs=config.train.epochs,
        steps_done=69,
        steps_per_epoch=23,
        final=rows,
        totals=records.totals_of(rows),
        expected_share=None,
        models={role: config.model_name(role) for role in config.roles},
        weights_sha256=digests,
    )
    records.write_status(folder, status)
    return folder
