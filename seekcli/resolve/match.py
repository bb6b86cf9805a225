"""How many steps give a baseline the training compute of its arm, a run of both models (--match train_flops)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from seekcli.config.condition_settings import share_basis
from seekcli.config.identity import CLASSIC_NOT_HASHED, run_key
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, MissingSource
from seekcli.method.cost_measures import training_flops_per_image
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.expected_cost import expected_train_flops, train_macs
from seekcli.resolve.length import planned_bounds, planned_length
from seekcli.runs.named_runs import differing_settings, fitting_runs, named_runs, read_named_run, require_finished
from seekcli.runs.scan import RunSummary
from seekcli.train.length import images_in, nearest_steps

MATCH_FROM = "train.match_from"


def with_matched_steps(resolved: Resolved, arm: RunConfig, results: Path) -> Resolved:
    """A classic run with as many steps as cost what a run of the arm costs, to the nearest step.

    The arm's cost is the recorded mean of the runs that `train.match_from` names, else what is expected of it. Raises
    BadInput where there is no such expectation, or the named runs are not of the arm.
    """
    config = resolved.config
    flops, source = expected_flops(arm) if config.train.match_from is None else recorded_flops(config, arm, results)
    bounds = planned_bounds(config)
    per_image = training_flops_per_image(train_macs(config, config.schedule))
    steps = nearest_steps(flops / per_image, bounds)
    ratio = per_image * images_in(steps, bounds) / flops
    origin = f"{ratio:.4f} of the {flops / 1e12:.4g} training TFLOPs of {arm.way}, {source}"
    return resolved.updated({"train.steps": steps}, origin)


def expected_flops(arm: RunConfig) -> tuple[float, str]:
    """Training FLOPs of a run of both models at the share that is expected of it, and that share in words."""
    share = expected_share_of(arm, planned_length(arm))
    if share is None:
        raise BadInput(
            f"--match train_flops: --condition {arm.motivation.condition} has no share by chance; train the arm first, "
            "and give its runs with --match-from RESULTS"
        )
    flops = expected_train_flops(arm, {role: train_macs(arm, role) for role in arm.roles}, share)
    return flops, f"at the share {share:.4f} {share_basis(arm.schedule, arm.motivation.condition)}"


def recorded_flops(config: RunConfig, arm: RunConfig, results: Path) -> tuple[float, str]:
    """Mean training FLOPs of the runs that `train.match_from` names, and how many these are."""
    text = config.train.match_from
    assert text is not None
    runs = named_runs(MATCH_FROM, text, results, lambda found, word: runs_of(arm, found, word))
    totals = [checked_flops(run, arm) for run in runs]
    if len({str(arm_key(read_named_run(MATCH_FROM, run)[0])) for run in runs}) > 1:
        raise BadInput(f"{MATCH_FROM}: the runs are of more than one arm; name those of one")
    return fmean(totals), f"the mean of {len(runs)} run{'s' if len(runs) > 1 else ''}"


def runs_of(arm: RunConfig, runs: Sequence[RunSummary], word: str) -> list[RunSummary]:
    """The runs of a results folder that are of this arm, whatever their seed. Raises BadInput for none."""
    wanted = arm_key(arm)
    fitting, nearest = fitting_runs(runs, wanted, lambda other: None if other.classic else arm_key(other))
    if not fitting:
        raise MissingSource(f"{MATCH_FROM} {word}: no {arm.schedule} run there has all settings of the arm{nearest}")
    return fitting


def arm_key(config: RunConfig) -> dict[str, Any]:
    """What the runs of one arm share: everything but the seed."""
    return {**run_key(config), "seed": None}


def checked_flops(run: RunSummary, arm: RunConfig) -> float:
    """Training FLOPs that a run recorded. Raises BadInput unless it is finished and could be joined to this arm."""
    config, status = read_named_run(MATCH_FROM, run)
    if config.classic:
        raise BadInput(
            f"{MATCH_FROM}: {run.run_id} is {config.schedule}, and the compute to match is that of a run of both models"
        )
    require_finished(MATCH_FROM, status, config)
    if differing := differing_settings(shared_settings(arm), shared_settings(config)):
        raise BadInput(f"{MATCH_FROM}: {run.run_id} has {differing[0]}, so it is no run of this arm")
    return float(status.totals["train_flops"])


def shared_settings(config: RunConfig) -> dict[str, Any]:
    """What a run that is named itself must share with the arm: the pair, and all that concerns its baselines too."""
    flat = {key: value for key, value in arm_key(config).items() if key.partition(".")[0] not in CLASSIC_NOT_HASHED}
    return {**flat, "pair": config.pair_name}
