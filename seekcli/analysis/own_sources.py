"""Modules and tasks of somebody's own that changed between runs: one import path, other code, so other ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any

from seekcli.analysis.runs import Run
from seekcli.config.identity import TASK_SOURCE

Key = tuple[str, str, Any]  # model, data, image size


def told_apart(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs, and a note for each model that has several sources here, on images of one kind.

    Such a model is called `my_models:tiny@1a2b3c4d` in each of its runs, by the digest of its source and its shapes.
    All that joins runs goes by the model's name, so a baseline of older code is never compared with an arm of newer.
    """
    digests: dict[Key, set[str]] = defaultdict(set)
    for run in runs:
        for role, digest in run.settings.sources.items():
            if role in run.models:
                digests[_key(run, role)].add(digest)
    several = {key: found for key, found in digests.items() if len(found) > 1}
    if not several:
        return list(runs), task_notes(runs)
    notes = task_notes(runs) + [
        f"{model} is {len(found)} models on {data}, since its source or its shapes changed: "
        f"{', '.join(_name(model, digest) for digest in sorted(found))}; runs of one are not compared with another's"
        for (model, data, _), found in sorted(several.items(), key=str)
    ]
    return [_renamed(run, several) for run in runs], notes


def task_notes(runs: Sequence[Run]) -> list[str]:
    """A note for each task of several sources here. Its digest is a setting that runs have to share to be compared."""
    digests: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        common = run.settings.common
        if (task := common.get("train.task")) is not None and common.get(TASK_SOURCE):
            digests[str(task)].add(str(common[TASK_SOURCE]))
    return [
        f"{task} is {len(found)} tasks, since its source changed: "
        f"{', '.join(_name(task, one) for one in sorted(found))}; runs of one are not compared with another's"
        for task, found in sorted(digests.items())
        if len(found) > 1
    ]


def _key(run: Run, role: str) -> Key:
    # Shapes follow the images and their classes, so one source has other shapes on other data: that is no change.
    return run.models[role], run.settings.data, run.settings.common.get("data.image_size")


def _name(model: str, digest: str) -> str:
    return f"{model}@{digest[:8]}"


def _renamed(run: Run, several: Container[Key]) -> Run:
    names = {
        role: _name(model, run.settings.sources[role])
        for role, model in run.models.items()
        if role in run.settings.sources and _key(run, role) in several
    }
    if not names:
        return run
    rows = {role: {**row, "model": names.get(role, row["model"])} for role, row in run.rows.items()}
    pair = run.settings.own_pair
    if pair is not None:
        pair = (names.get("base", pair[0]), names.get("motivated", pair[1]))
    return replace(run, rows=rows, settings=replace(run.settings, own_pair=pair))
