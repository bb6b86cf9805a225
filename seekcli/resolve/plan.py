"""What a run would do, without doing it: for `--dry-run`. Needs no data set on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from seekcli.method.pair import Pair
from seekcli.models.catalog import nests_fully, same_start_note
from seekcli.models.pairs import build_models, build_pair, differential_parameters, link_models, planned_models
from seekcli.models.transplant import SourceWeights
from seekcli.resolve.conditions import expected_share_of
from seekcli.resolve.expected_cost import expected_train_flops, forward_macs, image_shape, mean_macs, train_shape
from seekcli.resolve.extension import extension_note
from seekcli.resolve.length import planned_length
from seekcli.resolve.short_epochs import few_steps_note, require_several_steps
from seekcli.resolve.transfer import start_weights
from seekcli.runs.folder import RunFolder
from seekcli.runs.older_runs import old_rules_note, older_twin_note
from seekcli.runs.records import NEWER


@dataclass(frozen=True)
class Plan:
    """What a run would do. MACs are those of a forward of one test image, by role; FLOPs those of training the run."""

    config: RunConfig
    run_id: str
    state: str
    folder: Path
    problem: str | None
    matched: str | None
    notes: list[str]
    starts_from: str | None
    forward_macs: dict[str, int]
    coverage: float | None
    expected_share: float | None
    expected_train_flops: float | None

    def as_data(self) -> dict[str, Any]:
        """For JSON; what is not known ahead is None."""
        config, length, facts = self.config, planned_length(self.config), data_facts(self.config.data)
        own = {name: value for name, value in vars(self).items() if name not in ("config", "folder", "forward_macs")}
        models = {
            role: {"model": config.model_name(role), "forward_macs_per_image": float(macs)}
            for role, macs in self.forward_macs.items()
        }
        return {
            **own,
            "folder": str(self.folder),
            "data": config.data.name,
            "train_images": facts.train_images,
            "epochs": length.epochs,
            "steps": length.steps,
            "steps_per_epoch": length.steps_per_epoch,
            "batch_size": config.train.batch_size,
            "models": models,
        }


def describe_plan(resolved: Resolved, results: Path) -> str:
    """The run id and its state, the work, the expected share and cost. Raises BadInput as a run would."""
    with listings_kept():
        lines = plan_lines(plan_of(resolved, results))
    return "\n".join(visible(line) for line in lines)


def plan_of(resolved: Resolved, results: Path) -> Plan:
    """Raises BadInput as a run would."""
    config = resolved.config
    with listings_kept():
        folder = RunFolder.of(results, config)
        files.require_possible_path(folder.path)
        state, problem = folder.standing_or_damage()
        if state == NEWER:
            folder.standing(whole=False)  # raises, as the run would
        if state == "new":
            require_several_steps(config)
        notes = plan_notes(resolved, results, state)
        source = start_weights(config, results) if state == "new" else None
        pair = None if config.classic else suitable_pair(config, source)
        models = {"base": pair.base, "motivated": pair.motivated} if pair else build_models(config, source)
        macs, train_macs = forward_macs(config, models)
        share = None if config.classic else expected_share_of(config, planned_length(config))
    return Plan(
        config=config,
        run_id=run_id(config),
        state=state,
        folder=folder.path,
        problem=problem,
        matched=None if config.train.match is None else resolved.origins["train.steps"],
        notes=notes,
        starts_from=None if source is None else f"{source.label}: {' and '.join(source.models)}",
        forward_macs=macs,
        coverage=pair.weights_map.coverage if pair else None,
        expected_share=share,
        expected_train_flops=(
            None if not config.classic and share is None else expected_train_flops(config, train_macs, share)
        ),
    )


def plan_notes(resolved: Resolved, results: Path, state: str) -> list[str]:
    """What to know before this run is started."""
    config = resolved.config
    notes = (
        extension_note(config),
        old_rules_note(resolved, results),
        older_twin_note(results, resolved) if state == "new" else None,
        same_start_note(config),
        overlap_ahead(config.data),
        few_steps_note(config),
    )
    return [note for note in notes if note is not None]


def plan_lines(plan: Plan) -> list[str]:
    config, share = plan.config, plan.expected_share
    lines = [
        f"run         {plan.run_id}",
        f"state       {plan.state}: {plan.problem or plan.folder}",
        f"data        {summary_ahead(config.data)}",
        describe_work(config),
    ]
    if plan.matched is not None:
        lines.append(f"matched     {plan.matched}")
    lines += [f"{'note':<12}{note}" for note in plan.notes]
    if plan.starts_from is not None:
        lines.append(f"starts from {plan.starts_from}, with a new head")
    for role, macs in plan.forward_macs.items():
        forward = f"{macs / 1e6:.3f} MMACs forward per {dimensions(config)}"
        lines.append(f"{role:<12}{config.model_name(role)}: {forward}")
    if plan.coverage is not None:
        basis = share_basis(config.schedule, config.motivation.condition)
        shown = "no expected share is known" if share is None else f"expected share {share:.4f} {basis}"
        lines.append(f"motivation  {config.way}: {shown}")
        lines.append(f"map         {config.pair.map}, covers {plan.coverage:.1%} of the base; init {config.pair.init}")
    if plan.expected_train_flops is not None:
        lines.append(describe_cost(config, plan.forward_macs, share, plan.expected_train_flops))
    return lines


def suitable_pair(config: RunConfig, source: SourceWeights | None) -> Pair:
    """The pair of the run. Raises BadInput for one that the settings of its differential parts do not suit."""
    pair = build_pair(config, source)
    if config.pair.differential_lr_factor != 1.0:
        differential_parameters(pair.weights_map)
    return pair


def noun_of(config: RunConfig) -> str:
    return config.data.examples.removesuffix("s")


def dimensions(config: RunConfig) -> str:
    """`3x32x32 image`, `window of 128 tokens`, `row of 10 numbers`"""
    if config.data.input_shape is not None:
        return f"row of {'x'.join(map(str, config.data.input_shape))} numbers"
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
    if (processes := config.train.processes) > 1:
        where += f", {processes} processes (BatchNorm {config.train.batchnorm})"
    return f"work        {images}, {counted(length.steps, 'step')} of {config.train.batch_size}{last}; {where}"


def describe_cost(config: RunConfig, macs: Mapping[str, float], share: float | None, train_flops: float) -> str:
    """Forward cost of the average step per test image, and the training FLOPs (3 x forward x 2) of the run."""
    average = f"{mean_macs(macs, share) / 1e6:.3f} MMACs per {noun_of(config)}"
    mean = "" if config.classic else f"average step (F_XY) {average}, "
    return f"cost        {mean}{human_flops(train_flops)} of training (expected)"
