"""What a run would do, without doing it: for `--dry-run`. Needs no data set on disk."""

from __future__ import annotations

from pathlib import Path

from seekcli.config import Resolved, RunConfig, run_id
from seekcli.data.batches import planned_steps_per_epoch
from seekcli.data.sources import describe
from seekcli.flops import forward_cost, mean_forward_cost, training_flops_per_image
from seekcli.method.condition import expected_share
from seekcli.models.catalog import nests_fully
from seekcli.models.pairs import build_models, build_pair, link_models, planned_models
from seekcli.training.folder import run_folder, standing
from seekcli.training.transfer import start_weights


def describe_plan(resolved: Resolved, results: Path) -> str:
    """A few lines: the run id and its state, the work, the expected share and cost. Raises BadInput as a run would."""
    config = resolved.config
    lines = [
        f"run         {run_id(config)}",
        f"state       {standing(results, resolved)}: {run_folder(results, config)}",
        describe_work(config),
    ]
    data, macs, train_macs = config.data, {}, {}
    assert data.classes and data.channels and data.image_size
    source = start_weights(config, results) if standing(results, resolved) == "new" else None
    if source is not None:
        lines.append(f"starts from {source.label}: {' and '.join(source.models)}, with a new head")
    coverage = None if config.classic else build_pair(config, source).weights_map.coverage
    for role, model in build_models(config, source).items():
        shape = (data.channels, data.image_size, data.image_size)
        macs[role] = float(forward_cost(model, config.model_name(role), shape).per_image)
        train_size = data.train_size or data.image_size
        train_shape = (data.channels, train_size, train_size)
        train_macs[role] = float(forward_cost(model, config.model_name(role), train_shape).per_image)
        lines.append(f"{role:<12}{config.model_name(role)}: {macs[role] / 1e6:.3f} MMACs forward per {shape} image")
    share = None
    if coverage is not None:
        motivation = config.motivation
        steps = planned_steps_per_epoch(config) if motivation.condition == "matched-count" else None
        share = expected_share(motivation.condition, motivation.k, steps, motivation.counts)
        shown = "unknown" if share is None else f"{share:.4f}"
        lines.append(f"motivation  {motivation.label}: expected share {shown} by chance")
        lines.append(f"map         {config.pair.map}, covers {coverage:.1%} of the base; init {config.pair.init}")
    lines.append(describe_cost(config, train_macs, share))
    return "\n".join(line for line in lines if line)


def partial_map(config: RunConfig) -> str | None:
    """What to know before training a pair whose base is only partly contained; None where it is contained whole."""
    pair = config.pair
    if config.classic or nests_fully(pair.base, pair.motivated):
        return None
    coverage = link_models(pair.base, planned_models(config), pair.map).coverage
    return (
        f"the weights map covers {coverage:.1%} of {pair.base}: what else it has is nowhere in {pair.motivated}, and a "
        f"switch leaves it as it is; the differential parts start by --init {pair.init} (identity is impossible)"
    )


def describe_work(config: RunConfig) -> str:
    facts, train = describe(config.data), config.train
    images = facts.train_images
    steps = (
        f"about {train.epochs * images // train.batch_size} steps of {train.batch_size}" if images else "steps unknown"
    )
    runtime = f"{config.runtime.device}, {config.runtime.precision}, {config.runtime.layout}"
    return f"work        {train.epochs} epochs over {images or 'unknown'} images, {steps}; {runtime}"


def describe_cost(config: RunConfig, macs: dict[str, float], share: float | None) -> str:
    """Training FLOPs (3 x forward x 2) of the whole run, at the expected share; `macs` are of a training image."""
    images = describe(config.data).train_images
    if not images or (not config.classic and share is None):
        return ""
    mean = (
        mean_forward_cost(macs["base"], macs["motivated"], share or 0.0)
        if len(macs) == 2
        else next(iter(macs.values()))
    )
    total = training_flops_per_image(mean) * images * config.train.epochs
    label = f"F_XY {mean / 1e6:.3f} MMACs per image, " if len(macs) == 2 else ""
    return f"cost        {label}{total / 1e12:.2f} TFLOPs of training (expected)"
