"""What a run would do, without doing it: for `--dry-run`. Needs no data set on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seekcli import files
from seekcli.config.condition_settings import share_basis
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.data.sets.sources import data_facts
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.overlap import overlap_ahead
from seekcli.errors import counted, human_flops, visible
from seekcli.models.catalog import nests_fully, same_start_note
from seekcli.models.costs import forward_cost
from seekcli.models.pairs import build_models, build_pair, differential_parameters, link_models, planned_models
from seekcli.models.transplant import SourceWeights
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.expected_cost import expected_train_flops, image_shape, mean_macs, train_shape
from seekcli.resolve.extension import extension_note
from seekcli.resolve.length import planned_length
from seekcli.resolve.short_epochs import few_steps_note, require_several_steps
from seekcli.resolve.transfer import start_weights
from seekcli.runs.folder import RunFolder
from seekcli.runs.older_runs import old_rules_note, older_twin_note


def describe_plan(resolved: Resolved, results: Path) -> str:
    """The run id and its state, the work, the expected share and cost. Raises BadInput as a run would."""
    with listings_kept():
        lines = plan_lines(resolved, results)
    return "\n".join(visible(line) for line in lines if line)


def plan_lines(resolved: Resolved, results: Path) -> list[str]:
    config = resolved.config
    folder = RunFolder.of(results, config)
    files.require_possible_path(folder.path)
    state, problem = folder.standing_or_damage()
    lines = [
        f"run         {run_id(config)}",
        f"state       {state}: {problem or folder.path}",
        f"data        {summary_ahead(config.data)}",
        describe_work(config),
    ]
    if config.train.match is not None:
        lines.append(f"matched     {resolved.origins['train.steps']}")
    new = state == "new"
    if new:
        require_several_steps(config)
    older = older_twin_note(results, resolved) if new else None
    notes = (
        extension_note(config),
        old_rules_note(resolved, results),
        older,
        same_start_note(config),
        overlap_ahead(config.data),
        few_steps_note(config),
    )
    lines += [f"{'note':<12}{note}" for note in notes if note is not None]
    source = start_weights(config, results) if new else None
    if source is not None:
        lines.append(f"starts from {source.label}: {' and '.join(source.models)}, with a new head")
    coverage = None if config.classic else coverage_of(config, source)
    macs, train_macs = {}, {}
    for role, model in build_models(config, source).items():
        name = config.model_name(role)
        macs[role], train_macs[role] = (
            float(forward_cost(model, name, shape).per_image) for shape in (image_shape(config), train_shape(config))
        )
        lines.append(f"{role:<12}{name}: {macs[role] / 1e6:.3f} MMACs forward per {dimensions(config)}")
    share = None
    if coverage is not None:
        share = expected_share_of(config, planned_length(config))
        basis = share_basis(config.schedule, config.motivation.condition)
        shown = "no expected share is known" if share is None else f"expected share {share:.4f} {basis}"
        lines.append(f"motivation  {config.way}: {shown}")
        lines.append(f"map         {config.pair.map}, covers {coverage:.1%} of the base; init {config.pair.init}")
    flops = None if not config.classic and share is None else expected_train_flops(config, train_macs, share)
    if flops is not None:
        lines.append(describe_cost(config, macs, share, flops))
    return lines


def coverage_of(config: RunConfig, source: SourceWeights | None) -> float:
    """Of the weights map. Raises BadInput for a pair that the settings of its differential parts do not suit."""
    weights_map = build_pair(config, source).weights_map
    if config.pair.differential_lr_factor != 1.0:
        differential_parameters(weights_map)
    return weights_map.coverage


def noun_of(config: RunConfig) -> str:
    return "image" if config.data.context_length is None else "window"


def dimensions(config: RunConfig) -> str:
    """`3x32x32 image`, `window of 128 tokens`"""
    if config.data.context_length is not None:
        return f"window of {config.data.context_length} tokens"
    return f"{'x'.join(map(str, image_shape(config)))} image"


def partial_map(config: RunConfig) -> str | None:
    """What to know before training a pair whose base is only partly contained; None where it is contained whole."""
    pair = config.pair
    if config.classic or nests_fully(pair.base, pair.motivated):
        return None
    coverage = link_models(pair, planned_models(config)).coverage
    if coverage == 1:
        return None
    return (
        f"the weights map covers {coverage:.1%} of {pair.base}: what else it has is nowhere in {pair.motivated}, and a "
        f"switch leaves it as it is; the differential parts start by --init {pair.init} (identity is impossible)"
    )


def describe_work(config: RunConfig) -> str:
    runtime, length = config.runtime, planned_length(config)
    size = f" of {config.data.train_size} pixels" if train_shape(config) != image_shape(config) else ""
    images = f"{counted(length.epochs, 'epoch')} over {data_facts(config.data).train_images} {noun_of(config)}s{size}"
    rest = length.steps % length.steps_per_epoch
    last = f" (the last epoch has {rest})" if rest else ""
    where = f"{runtime.device}, {runtime.precision}, {runtime.layout}"
    return f"work        {images}, {counted(length.steps, 'step')} of {config.train.batch_size}{last}; {where}"


def describe_cost(config: RunConfig, macs: Mapping[str, float], share: float | None, train_flops: float) -> str:
    """Forward cost of the average step per test image, and the training FLOPs (3 x forward x 2) of the run."""
    average = f"{mean_macs(macs, share) / 1e6:.3f} MMACs per {noun_of(config)}"
    mean = "" if config.classic else f"average step (F_XY) {average}, "
    return f"cost        {mean}{human_flops(train_flops)} of training (expected)"
