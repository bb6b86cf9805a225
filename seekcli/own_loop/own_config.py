"""The config of a run that somebody's own loop makes: what is known of it, under the names of the settings.

Its recipe is `own-loop-` and the optimizer: no run of `seek train` has it, so that the two are never compared as equals
unless the user says that they are (`settings={"recipe": "digits", ...}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved, merge
from seekcli.documents import SCHEMA_VERSION
from seekcli.own_loop.names import OWN_LOOP, RECIPE
from seekcli.runs.config_file import LOSS_UNIT, OWN_METRICS

if TYPE_CHECKING:
    from seekcli.own_loop.loop import OwnLoop
    from seekcli.own_loop.record import Record

OPTIMIZER_NAMES = {"SGD": "sgd", "AdamW": "adamw", "RMSpropTF": "rmsprop"}
READ_OF_GROUPS = {"lr": "optimizer.lr", "weight_decay": "optimizer.weight_decay", "momentum": "optimizer.momentum"}


def own_config(record: Record, loop: OwnLoop) -> Resolved:
    """Raises BadInput, naming the setting, for a value that the schema refuses."""
    optimizer, model = next(iter(loop.optimizers.values())), next(iter(loop.models.values()))
    kind = type(optimizer).__name__
    device = next(model.parameters()).device
    group = optimizer.param_groups[0]
    known: dict[str, Any] = {
        "schedule": loop.schedule,
        "seed": record.seed,
        "recipe": f"{RECIPE}{kind}",
        "pair.base": record.names[0],
        "pair.motivated": record.names[1],
        "pair.recalibrate_batches": record.recalibrate_batches if loop.recalibrate else 0,
        "data.name": record.data,
        "train.epochs": record.epochs,
        "train.batch_size": record.batch_size,
        "runtime.device": str(torch.device(device)),
        "runtime.precision": record.precision,
        "runtime.layout": "contiguous",
        **loop.own_settings(),
    }
    known |= {READ_OF_GROUPS[key]: float(group[key]) for key in READ_OF_GROUPS if group.get(key)}
    if kind in OPTIMIZER_NAMES:
        known["optimizer.name"] = OPTIMIZER_NAMES[kind]
    return merge([(OWN_LOOP, known), ("Record(settings=...)", record.settings)])


def own_config_document(record: Record, resolved: Resolved, loop: OwnLoop) -> Mapping[str, Any]:
    """config.json, which says that the loop is somebody's own: settings that nobody set are not known."""
    optimizer = next(iter(loop.optimizers.values()))
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id(resolved.config),
        "config": resolved.config.model_dump(mode="json"),
        "origins": {key: "not known" if origin == "default" else origin for key, origin in resolved.origins.items()},
        "facts": {
            "made_by": OWN_LOOP,
            LOSS_UNIT: record.loss_unit,
            OWN_METRICS: {name: {"higher_is_better": way == "higher"} for name, way in record.own_metrics.items()},
            "models": {role: _class_of(model) for role, model in loop.models.items()},
            "optimizer": _class_of(optimizer),
        },
    }


def _class_of(thing: object) -> str:
    return f"{type(thing).__module__}:{type(thing).__qualname__}"
