"""From a config to the parts of a run: the one place that does so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import nn

from seekcli.config.schema import RunConfig
from seekcli.data.augment.augmentation_settings import AugmentationSettings
from seekcli.data.loading.batches import Batches
from seekcli.data.loading.row_batches import RowBatches
from seekcli.data.loading.windows import WindowBatches
from seekcli.data.sets.sources import Dataset
from seekcli.errors import RunFailed
from seekcli.method.alternating import Alternating, SingleModel, TurnRule
from seekcli.method.condition import needs_of
from seekcli.method.growing import Growing, branch_step
from seekcli.method.pair import Pair, StateTransfer
from seekcli.models.catalog import family_of
from seekcli.models.pairs import build_models, build_pair, differential_parameters
from seekcli.models.transplant import SourceWeights
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.conditions import build_condition
from seekcli.resolve.length import length_of
from seekcli.resolve.own_tasks import task_named
from seekcli.train.agreed_condition import AgreedCondition
from seekcli.train.averaging import Averages
from seekcli.train.held_out import HeldOut
from seekcli.train.length import RunLength
from seekcli.train.optimizers import OptimizerSettings, build_optimizer, optimizer_state
from seekcli.train.recalibration import Recalibration
from seekcli.train.schedules import LrSchedule, learning_rate
from seekcli.train.step import AUTOCAST, Step
from seekcli.train.synchronised_batchnorm import SynchronisedBatchNorm
from seekcli.train.tasks.classification import classification
from seekcli.train.tasks.language_modelling import language_modelling
from seekcli.train.tasks.own import task_from
from seekcli.train.tasks.task import Task
from seekcli.train.trainer import Trainer

AnyBatches = Batches | WindowBatches | RowBatches


def build_trainer(
    config: RunConfig,
    dataset: Dataset,
    device: torch.device,
    source: SourceWeights | None = None,
    ranks: Ranks = ALONE,
) -> Trainer:
    """The run from its start. `source` is what a new run that does not start from nothing needs.

    Raises RunFailed when the device has no memory for the models.
    """
    try:
        return assemble(config, dataset, device, source, ranks)
    except torch.OutOfMemoryError as error:
        raise RunFailed(f"out of memory before the first step: {error}") from None


def assemble(
    config: RunConfig, dataset: Dataset, device: torch.device, source: SourceWeights | None, ranks: Ranks
) -> Trainer:
    channels_last, dtype = config.runtime.layout == "channels_last", AUTOCAST[config.runtime.precision]
    batches, task = build_batches(config, dataset, device, ranks), task_of(config, dataset)
    length = length_of(config, batches.steps_per_epoch)
    pair = None if config.classic else build_pair(config, source)
    models = {"base": pair.base, "motivated": pair.motivated} if pair else build_models(config, source)
    models = {role: place(model, device, channels_last) for role, model in models.items()}
    optimizers = {role: optimizer_of(config, pair, role, model, device) for role, model in models.items()}
    averages = Averages(models, config.train.ema_decay, pair, config.pair.buffers) if config.train.ema_decay else None
    turn_rule, needs = build_turn_rule(config, pair, models, optimizers, length, ranks)
    held_out = HeldOut(batches.held_out(dataset), dtype, task.summed_loss) if "validation_loss" in needs else None
    scaler = torch.amp.GradScaler(device.type) if config.runtime.precision == "fp16" else None
    schedule = LrSchedule(**config.lr_schedule.model_dump())
    return Trainer(
        models=models,
        optimizers=optimizers,
        steps=build_steps(config, task, models, optimizers, scaler, ranks),
        batches=batches,
        task=task,
        turn_rule=turn_rule,
        length=length,
        learning_rate=lambda step: learning_rate(
            schedule, config.optimizer.lr, step, length.steps_per_epoch, length.steps
        ),
        seed=config.seed,
        pair=pair,
        blocks=family_of(config.pair.base).blocks if pair else None,
        needs=needs,
        held_out=held_out,
        averages=averages,
        recalibration=recalibration_of(config, batches),
        keeps_recalibrated=config.schedule == "alternating",
        autocast_dtype=dtype,
        epochs_before=config.extend.epochs_before,
        ranks=ranks,
    )


def task_of(config: RunConfig, dataset: Dataset) -> Task:
    """The one that is named; else a text is there to be predicted, and images have classes."""
    train = config.train
    if train.task is not None:
        return task_from(task_named(train.task), train.task)
    if dataset.token_bytes is not None:
        return language_modelling(dataset.token_bytes, train.label_smoothing)
    return classification(train.loss, train.label_smoothing, train.bce_threshold)


def build_batches(
    config: RunConfig, dataset: Dataset, device: torch.device, ranks: Ranks = ALONE
) -> AnyBatches:
    """Raises BadInput when there is no batch to train on."""
    train, runtime = config.train, config.runtime
    if dataset.token_bytes is not None or dataset.is_rows:
        return (RowBatches if dataset.is_rows else WindowBatches)(
            dataset,
            device,
            batch_size=train.batch_size,
            eval_batch_size=train.eval_batch_size,
            seed=config.seed,
            drop_last=train.drop_last,
        )
    return Batches(
        dataset,
        device,
        batch_size=train.batch_size,
        eval_batch_size=train.eval_batch_size,
        augmentation=AugmentationSettings(**config.augment.model_dump()),
        seed=config.seed,
        train_size=config.data.train_size,
        drop_last=train.drop_last,
        workers=runtime.workers,
        channels_last=runtime.layout == "channels_last",
        ranks=ranks,
    )


def place(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """Move to the device and give 4-d tensors their memory layout, in place."""
    if channels_last:
        return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)


def optimizer_of(
    config: RunConfig, pair: Pair | None, role: str, model: nn.Module, device: torch.device
) -> torch.optim.Optimizer:
    """What only the motivated model has may learn at another rate."""
    factor, lr_factors = config.pair.differential_lr_factor, {}
    if pair is not None and role == "motivated" and factor != 1.0:
        lr_factors = dict.fromkeys(differential_parameters(pair.weights_map), factor)
    return build_optimizer(OptimizerSettings(**config.optimizer.model_dump()), model, device, lr_factors)


def build_steps(
    config: RunConfig,
    task: Task,
    models: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    scaler: torch.amp.GradScaler | None,
    ranks: Ranks = ALONE,
) -> dict[str, Step]:
    """The step of each role, with one loss and one scaler (of fp16) for both."""
    train = config.train
    make = partial(
        Step,
        loss=task.loss,
        micro_batches=train.accumulate_steps,
        clip_norm=train.clip_norm,
        autocast_dtype=AUTOCAST[config.runtime.precision],
        scaler=scaler,
        ranks=ranks,
        batchnorm=SynchronisedBatchNorm(ranks) if ranks.size > 1 and train.batchnorm == "synchronised" else None,
    )
    return {role: make(model, optimizers[role]) for role, model in models.items()}


def build_turn_rule(
    config: RunConfig,
    pair: Pair | None,
    models: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    length: RunLength,
    ranks: Ranks = ALONE,
) -> tuple[TurnRule, frozenset[str]]:
    """The rule that says which model takes the next batch, and what it needs to see of a step beside its loss."""
    if pair is None:
        return SingleModel(config.schedule), frozenset()
    state = {role: optimizer_state(optimizers[role], model) for role, model in models.items()}
    state_transfer = StateTransfer(pair, state["base"], state["motivated"], config.pair.buffers)
    if config.schedule == "grow":
        return Growing(state_transfer, branch_step(config.motivation.grow_at, length.steps)), frozenset()
    condition = build_condition(config, length)
    agreed = AgreedCondition(condition, ranks) if ranks.size > 1 else condition
    return Alternating(state_transfer, agreed), needs_of(condition)


def recalibration_of(config: RunConfig, batches: AnyBatches) -> Recalibration | None:
    """On `pair.recalibrate_batches` batches of the run, all if it has fewer; None where that is off."""
    if not config.pair.recalibrate_batches or isinstance(batches, WindowBatches):
        return None
    chosen = batches.for_statistics(config.pair.recalibrate_batches)
    return Recalibration(chosen, AUTOCAST[config.runtime.precision], config.train.accumulate_steps)
