"""How many batches of each epoch a group of `loss` runs had motivated: what `matched-count` is given (paper 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seekcli import files, records
from seekcli.config import Resolved, RunConfig, identity, stored_config
from seekcli.data.batches import planned_steps_per_epoch
from seekcli.errors import BadInput
from seekcli.scan import RunSummary, scan_runs

KEY = "motivation.counts_from"


def with_counts(resolved: Resolved, results: Path) -> Resolved:
    """The config with the literal counts in place of where they come from; the run id holds them, not the path.

    Raises BadInput where the runs are missing, unfinished, or of other epochs or steps.
    """
    motivation = resolved.config.motivation
    if motivation.counts_from is None:
        return resolved
    if motivation.counts is not None:
        raise BadInput(f"{KEY} and motivation.counts: give one of the two")
    runs = named_runs(resolved.config, motivation.counts_from, results)
    for run in runs:
        check_run(run, resolved.config)
    counts = mean_counts([motivated_batches(run.path) for run in runs])
    return resolved.updated({"motivation.counts": counts}, f"mean of {len(runs)} loss runs")


def mean_counts(runs: Sequence[Sequence[int]]) -> list[int]:
    """The mean of each epoch over the runs, rounded half up, in whole numbers."""
    return [(2 * sum(epoch) + len(epoch)) // (2 * len(epoch)) for epoch in zip(*runs, strict=True)]


def motivated_batches(folder: Path) -> list[int]:
    """Motivated steps by epoch, as the run recorded them."""
    rows = [row for row in records.read_epochs(folder / records.EPOCHS) if row["role"] == "base"]
    return [int(row["motivated_steps"]) for row in sorted(rows, key=lambda row: row["epoch"])]


def named_runs(config: RunConfig, text: str, results: Path) -> list[RunSummary]:
    """The runs that `counts_from` names: of a results folder those that match this run, of run folders each."""
    found: dict[str, RunSummary] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        path = folder_named(word, results)
        try:
            runs = scan_runs([path])
        except BadInput as error:
            raise BadInput(f"{KEY} {word}: {error}") from None
        named_itself = (path / records.STATUS).exists() or (path / records.CONFIG).exists()
        found |= {run.run_id: run for run in (runs if named_itself else group_of(config, runs, word))}
    if not found:
        raise BadInput(f"{KEY} {text!r} names no run")
    return list(found.values())


def folder_named(word: str, results: Path) -> Path:
    path = Path(word).expanduser()
    for candidate in (path, results / "runs" / word):
        if candidate.is_dir():
            return candidate
    raise BadInput(f"{KEY} {word}: no such folder, and no run of that name in {results}")


def group_of(config: RunConfig, runs: Sequence[RunSummary], word: str) -> list[RunSummary]:
    """The `loss` runs that have this run's k and all its other settings but the seed. Raises BadInput for none."""
    wanted, nearest = group_key(config), (10**9, "")
    group = []
    for run in runs:
        other = config_of(run)
        if other is None or not follows_loss(other):
            continue
        theirs = group_key(other)
        differing = sorted(key for key in wanted.keys() | theirs.keys() if wanted.get(key) != theirs.get(key))
        if not differing:
            group.append(run)
        else:
            key = differing[0]
            said = f"; the nearest, {run.run_id}, has {key} {theirs.get(key)}, not {wanted.get(key)}"
            nearest = min(nearest, (len(differing), said))
    if not group:
        raise BadInput(f"{KEY} {word}: no `loss` run there has k={config.motivation.k} and all settings{nearest[1]}")
    return group


def group_key(config: RunConfig) -> dict[str, Any]:
    """What the seeds of a group share, whichever condition they follow; k says which group of `loss` runs."""
    flat = {key: value for key, value in identity(config).items() if not key.startswith("motivation.")}
    return {**flat, "seed": None, "motivation.k": config.motivation.k}


def follows_loss(config: RunConfig) -> bool:
    return not config.classic and config.motivation.condition == "loss"


def config_of(run: RunSummary) -> RunConfig | None:
    """The config of a run folder, None where it has none that can be read."""
    try:
        return stored_config(files.read_json(run.path / records.CONFIG)["config"])
    except (ValueError, KeyError, TypeError):
        return None


def check_run(run: RunSummary, config: RunConfig) -> None:
    """Raise BadInput unless this is a finished `loss` run of as many epochs and steps."""
    other, status = config_of(run), run.status
    if other is None or status is None:
        raise BadInput(f"{KEY}: {run.path} cannot be read: {run.problem or 'it has no readable config.json'}")
    if not follows_loss(other):
        kind = other.schedule if other.classic else f"{other.schedule} under {other.motivation.condition}"
        raise BadInput(f"{KEY}: {run.run_id} is {kind}, and counts come from alternating runs under `loss`")
    if status.state != "finished":
        done = f"{status.epochs_done} of {status.epochs} epochs"
        raise BadInput(f"{KEY}: {run.run_id} is {status.state} after {done}; finish it first")
    steps = planned_steps_per_epoch(config)
    for what, theirs, ours in (
        ("epochs", status.epochs, config.train.epochs),
        ("steps an epoch", status.steps_per_epoch, steps),
    ):
        if theirs != ours:
            raise BadInput(f"{KEY}: {run.run_id} has {theirs} {what}, and this run has {ours}")
