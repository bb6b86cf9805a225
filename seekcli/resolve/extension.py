"""`--extend RUN`: a new run that goes on where a finished one ended, by the settings of that run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli import files
from seekcli.config.identity import CLASSIC_NOT_HASHED, NOT_HASHED, run_id, run_key
from seekcli.config.layers import DEFAULTS, Layers, merge
from seekcli.config.schema import RunConfig
from seekcli.config.settings import flatten
from seekcli.config.start_settings import ExtendConfig
from seekcli.errors import BadInput, counted, reworded
from seekcli.resolve.recipes import SPANS, passes
from seekcli.runs.data_contents import refuse_other_contents
from seekcli.runs.folder import RunFolder
from seekcli.runs.named_runs import find_run
from seekcli.runs.scan import recorded_runs

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.export.finished_run import FinishedRun

LENGTH = ("train.epochs", "train.steps")
# What may be another than in the run that is extended: how it is trained on. What is in its checkpoint may not.
FREE = ("train.", "optimizer.", "lr_schedule.", "augment.", "runtime.", "extend.source", "data.dir")
IN_CHECKPOINT = ("optimizer.name", "train.ema_decay", "runtime.precision")
MATCHING = ("train.match", "train.match_from", "train.match_schedule")
# Of how long the run that is extended was, and of how it came to be.
NOT_TAKEN = (*LENGTH, *MATCHING)
SECTIONS_NOT_TAKEN = ("transfer", "extend", "tune")


def with_parent(layers: Layers, results: Path) -> Layers:
    """The layers, over the settings of the run that they extend; unchanged where they extend none.

    Raises BadInput where that run is not there, not finished or cannot go on, and for settings that it has otherwise.
    """
    if not any(key.startswith("extend.") for _, values in layers for key, _ in flatten(values)):
        return layers
    draft = merge(layers)
    source = draft.config.extend.source
    if source is None:
        if given := [key for key, value in draft.config.extend if value]:
            raise BadInput(f"extend.{given[0]} is found out, not set: name the run with --extend RUN")
        return layers
    if all(draft.origins[key] == "default" for key in LENGTH):
        raise BadInput(f"--extend {source}: say with --epochs N (or --steps N) how much longer it shall be trained")
    try:
        parent = open_parent(source, results)
    except BadInput as error:
        if (begun := as_parent_recorded(source, layers, results)) is not None:
            return [("recorded", begun), *layers]
        raise reworded(error, f"--extend {source}: {error}") from None
    own = settings_of(parent)
    origin = f"run {parent.status.run_id}"
    resolved = merge([(origin, own), *layers])
    refuse_others(own, dict(flatten(resolved.config.model_dump())), resolved.origins, parent.status.run_id)
    share = passes(resolved.config) / passes(parent.config)
    spans = {key: own[key] * share for key in SPANS if share < 1 and own[key]}
    return [(origin, own), (f"{origin}, {share:.3g} of its length", spans), *layers]


def open_parent(source: str, results: Path) -> FinishedRun:
    """Raises BadInput unless it is finished and its last checkpoint is there."""
    path = find_run(source, results)
    from seekcli.export.finished_run import open_run

    run = open_run(path)
    if run.config.schedule == "grow":
        raise BadInput("a growing run cannot be extended: its larger model branches off once, late in the run")
    if run.config.data.folds is not None:
        raise BadInput("a run over a fold chooses k and is not extended")
    for role in run.roles:
        if run.status.weights_sha256.get(role) not in (None, files.sha256_of(run.weights_path(role))):
            raise BadInput(f"{run.weights_path(role)} is damaged, or is not the file that was recorded")
    last_checkpoint(run)
    return run


def last_checkpoint(run: FinishedRun) -> Path:
    found = run.folder.checkpoints()
    if not found or int(found[-1].stem.partition("-")[2]) != run.status.steps_done:
        raise BadInput(
            f"its checkpoint after step {run.status.steps_done} is gone from {run.folder.checkpoints_path}, and its "
            "optimizer state with it; --init-from starts a run from its weights alone"
        )
    return found[-1]


def settings_of(parent: FinishedRun) -> dict[str, Any]:
    """What the new run has of its parent, as dotted keys: all but its length and where it started, and its name."""
    config, status = parent.config, parent.status
    flat = {
        key: value
        for key, value in flatten(config.model_dump())
        if key not in NOT_TAKEN and key.partition(".")[0] not in SECTIONS_NOT_TAKEN
    }
    flat = {key: value for key, value in flat.items() if key == "data.dir" or key not in NOT_HASHED}
    weights = [status.weights_sha256.get(role) or files.sha256_of(parent.weights_path(role)) for role in parent.roles]
    return flat | {
        "runtime.device": config.runtime.device.partition(":")[0],
        "extend.run": status.run_id,
        "extend.sha256": "+".join(weights),
        "extend.epochs_before": config.extend.epochs_before + status.epochs,
        "extend.settings_sha256": digest_of_settings(config),
    }


def digest_of_settings(config: RunConfig) -> str:
    """Equal for runs that a comparison may put side by side: they differ in seed, schedule and motivation at most."""
    own = ("seed", "model", "extend.run", "extend.sha256", "transfer.sha256")
    common = {key: value for key, value in run_key(config).items() if key not in own}
    common = {key: value for key, value in common.items() if key.partition(".")[0] not in CLASSIC_NOT_HASHED}
    payload = json.dumps(common | {"transfer.run": config.transfer.run}, sort_keys=True)
    return hashlib.sha256(payload.encode()).hexdigest()[:16]  # it is shown


def refuse_others(own: Mapping[str, Any], found: Mapping[str, Any], origins: Mapping[str, str], parent: str) -> None:
    """Raise BadInput for the first setting that the parent has otherwise and the new run has to share."""
    inherited = ("default", f"run {parent}")
    given = {key: value for key, value in found.items() if origins.get(key, "default") not in inherited}
    if "tune" in origins.values():
        raise BadInput(f"--k auto: --extend goes on with the k of {parent}; leave it out")
    for key, value in given.items():
        free = key.startswith(FREE) and key not in (*IN_CHECKPOINT, *MATCHING)
        theirs = own.get(key, DEFAULTS.get(key))
        if not free and value != theirs:
            has = f"is not set in {parent}" if theirs is None or key not in own else f"is {theirs} in {parent}"
            raise BadInput(
                f"{origins[key]} ({key}): --extend goes on with the models, data and motivation of a run, and this "
                f"{has}; leave it out"
            )


def as_parent_recorded(source: str, layers: Layers, results: Path) -> dict[str, Any] | None:
    """The settings of a run that has begun and is what these layers ask for, where its parent is gone."""
    for folder in recorded_runs(results):
        found = folder.readable_config()
        if found is None or not names_parent(source, found.config.extend):
            continue
        flat = dict(flatten(found.config.model_dump()))
        if run_id(merge([("recorded", flat), *layers]).config) == folder.path.name:
            return flat
    return None


def names_parent(source: str, extend: ExtendConfig) -> bool:
    """Whether these words named the run that a recorded one extends: its folder, its id, or the digits that end it."""
    run = extend.run
    return run is not None and (source == extend.source or Path(source).name == run or run.endswith(f"_{source}"))


@dataclass(frozen=True)
class ParentState:
    """What the last checkpoint of the run that is extended holds."""

    run_id: str
    folder: RunFolder
    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]


def parent_state(config: RunConfig, results: Path) -> ParentState | None:
    """What a new run begins with that extends another one; None for one that does not. Raises BadInput."""
    extend = config.extend
    if extend.run is None or extend.source is None:
        return None
    run = open_parent(extend.source, results)
    if settings_of(run)["extend.sha256"] != extend.sha256 or run.status.run_id != extend.run:
        raise BadInput(f"--extend {extend.source}: it has changed since this run was made for it")
    refuse_other_contents(run.folder.config_file(), config.data)
    return ParentState(run.status.run_id, run.folder, *run.folder.checkpoint(last_checkpoint(run)))


def extension_note(config: RunConfig) -> str | None:
    """What is added to which run and what begins anew, in words; None for a run that extends none."""
    extend, schedule = config.extend, config.lr_schedule
    if extend.run is None:
        return None
    steps, epochs = config.train.steps, config.train.epochs
    length = counted(epochs, "epoch") if steps is None else counted(steps, "step")
    warmup = f" after {schedule.warmup_epochs:.3g} epochs of warm-up" if schedule.warmup_epochs else ""
    end = f" to {schedule.min_lr:g}" if schedule.name in ("cosine", "wsd") else ""
    rate = f"{schedule.name} from {config.optimizer.lr:g}{end}{warmup}, over the added {length} alone"
    models = "its last weights and optimizer state" + ("" if config.classic else ", of both models")
    condition = "" if config.classic else "; the motivation condition starts anew"
    return (
        f"extends {extend.run}: {length} more, from {models}; the learning rate starts again ({rate}){condition}; "
        f"epochs are numbered from 1, their batches are those of epoch {extend.epochs_before + 1} on"
    )
