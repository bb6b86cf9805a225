"""How far the two models of a run are apart: how much the added blocks write, and where the answers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from seekcli.method.roles import BASE, MOTIVATED
from seekcli.models.added_blocks import usage_of_added_blocks
from seekcli.train.tasks.classification import Evaluation
from seekcli.train.tasks.task import Measurements
from seekcli.train.trainer import Trainer

ANSWER_COLUMNS = (
    "answers_differ_percent",
    "base_accuracy_where_differ_percent",
    "motivated_accuracy_where_differ_percent",
)


def usage_columns(trainer: Trainer, evaluations: Mapping[str, Measurements]) -> dict[str, Any]:
    """The columns of an epoch, the same in both role rows; null for one model, and where nothing was evaluated."""
    base, motivated = (evaluations.get(role, {}).get("test") for role in (BASE, MOTIVATED))
    differing: tuple[float | None, ...] = (None, None, None)
    if isinstance(base, Evaluation) and isinstance(motivated, Evaluation):
        differing = answers_where_they_differ(base, motivated)
    usage = added_blocks_usage(trainer) if evaluations else None
    return {"added_blocks_usage": usage, **dict(zip(ANSWER_COLUMNS, differing, strict=True))}


def added_blocks_usage(trainer: Trainer) -> float | None:
    """`usage_of_added_blocks` of the motivated model as it is kept; None without added blocks, or no finite number.

    Running statistics play no part in it, so the model as trained has the usage of the re-estimated one.
    """
    if trainer.pair is None or trainer.blocks is None:
        return None
    motivated = trainer.models_as_trained()[MOTIVATED]
    found = usage_of_added_blocks(motivated, trainer.pair.weights_map.receivers, trainer.blocks)
    usage = math.nan if found is None else float(found)
    return usage if math.isfinite(usage) else None


def answers_where_they_differ(base: Evaluation, motivated: Evaluation) -> tuple[float, float | None, float | None]:
    """In percent: images that the two answer differently, and the accuracy of base and motivated model on those.

    The accuracies are None where the two agree on every image. The host reads once.
    """
    differ = base.answers != motivated.answers
    counted = torch.stack([differ.sum(), (base.hits & differ).sum(), (motivated.hits & differ).sum()])
    images, base_hits, motivated_hits = counted.tolist()
    differ_percent = 100.0 * images / base.images
    return (differ_percent, *(100.0 * hits / images if images else None for hits in (base_hits, motivated_hits)))
