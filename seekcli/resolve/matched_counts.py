"""How many batches of each epoch a group of `loss` runs had motivated: what `matched-count` is given (paper 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seekcli.config.identity import run_key
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, MissingSource
from seekcli.resolve.length import planned_length
from seekcli.runs.folder import RunFolder
from seekcli.runs.named_runs import fitting_runs, named_runs, read_named_run, require_finished
from seekcli.runs.scan import RunSummary

COUNTS_FROM = "motivation.counts_from"


def with_counts(resolved: Resolved, results: Path) -> Resolved:
    """The config with the literal counts in place of where they come from; the run id holds them, not the path.

    Raises BadInput where the runs are missing, unfinished, or of other epochs or steps.
    """
    motivation = resolved.config.motivation
    if motivation.counts_from is None:
        return resolved
    if motivation.counts is not None:
        raise BadInput(f"{COUNTS_FROM} and motivation.counts: give one of the two")
    config = resolved.config
    runs = named_runs(COUNTS_FROM, motivation.counts_from, results, lambda found, word: group_of(config, found, word))
    for run in runs:
        check_run(run, config)
    counts = mean_counts([motivated_batches(run.folder) for run in runs])
    return resolved.updated({"motivation.counts": counts}, f"mean of {len(runs)} loss runs")


def mean_counts(runs: Sequence[Sequence[int]]) -> list[int]:
    """The mean of each epoch over the runs, rounded half up, in whole numbers."""
    return [(2 * sum(epoch) + len(epoch)) // (2 * len(epoch)) for epoch in zip(*runs, strict=True)]


def motivated_batches(folder: RunFolder) -> list[int]:
    """Motivated steps by epoch, as the run recorded them. Raises BadInput for a table of another run."""
    rows = [row for row in folder.epochs() if row["role"] == "base"]
    return [int(row["motivated_steps"]) for row in sorted(rows, key=lambda row: row["epoch"])]


def group_of(config: RunConfig, runs: Sequence[RunSummary], word: str) -> list[RunSummary]:
    """The `loss` runs that have this run's k and all its other settings but the seed. Raises BadInput for none."""
    wanted = group_key(config)
    group, nearest = fitting_runs(runs, wanted, lambda other: group_key(other) if follows_loss(other) else None)
    if not group:
        raise MissingSource(
            f"{COUNTS_FROM} {word}: no `loss` run there has k={config.motivation.k} and all settings{nearest}"
        )
    return group


def group_key(config: RunConfig) -> dict[str, Any]:
    """What the seeds of a group share, whichever condition they follow; k says which group of `loss` runs."""
    flat = {key: value for key, value in run_key(config).items() if not key.startswith("motivation.")}
    return {**flat, "seed": None, "motivation.k": config.motivation.k}


def follows_loss(config: RunConfig) -> bool:
    return config.schedule == "alternating" and config.motivation.condition == "loss"


def check_run(run: RunSummary, config: RunConfig) -> None:
    """Raise BadInput unless this is a finished `loss` run of as many epochs and steps."""
    other, status = read_named_run(COUNTS_FROM, run)
    if not follows_loss(other):
        kind = (
            other.schedule
            if other.schedule != "alternating"
            else f"{other.schedule} under {other.motivation.condition}"
        )
        raise BadInput(f"{COUNTS_FROM}: {run.run_id} is {kind}, and counts come from alternating runs under `loss`")
    require_finished(COUNTS_FROM, status, other)
    length = planned_length(config)
    for what, theirs, ours in (
        ("epochs", status.epochs, length.epochs),
        ("steps an epoch", status.steps_per_epoch, length.steps_per_epoch),
        ("steps", status.steps_done, length.steps),
    ):
        if theirs != ours:
            raise BadInput(f"{COUNTS_FROM}: {run.run_id} has {theirs} {what}, and this run has {ours}")
