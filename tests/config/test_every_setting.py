"""Runs with every optimizer, and with everything switched on: stopped midway and resumed, equal to the last bit."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import tiny
from torch import nn

from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import RunFailed, Stopped
from seekcli.resolve.build import build_trainer
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.progress import Progress
from seekcli.train.trainer import MAX_SKIPPED_IN_A_ROW

CPU = torch.device("cpu")
EVERYTHING = {
    "data__name": "synthetic:3x8x8:3:30",
    "data__train_size": 7,
    "augment__crop_padding": 1,
    "augment__flip": True,
    "augment__resized_crop_area": 0.5,
    "augment__resized_crop_rule": "torchvision",
    "augment__repeats": 3,
    "augment__randaugment_ops": 2,
    "augment__randaugment_policy": "timm",
    "augment__autoaugment": "cifar10",
    "augment__erasing_probability": 0.5,
    "augment__erasing_rule": "timm",
    "augment__mixup_alpha": 0.8,
    "augment__cutmix_alpha": 1.0,
    "train__batch_size": 8,
    "train__accumulate_steps": 2,
    "train__clip_norm": 1.0,
    "train__loss": "bce",
    "train__bce_threshold": 0.2,
    "train__label_smoothing": 0.05,
    "train__ema_decay": 0.5,
    "lr_schedule__name": "exponential",
    "lr_schedule__warmup_epochs": 1.0,
    "optimizer__decay_norms_and_biases": False,
}
SHORT = {"data__name": "synthetic:1x8x8:3:15"}  # 3 steps an epoch
RUNS = {
    "everything": EVERYTHING | {"optimizer__name": "lamb", "optimizer__lr": 5e-3},
    "bf16": {"runtime__precision": "bf16", "optimizer__name": "rmsprop", "optimizer__lr": 1e-3},
}
ALONE = {
    "fp16": {"runtime__precision": "fp16", "optimizer__name": "adamw", "optimizer__lr": 1e-3},
    "adamw": {"optimizer__name": "adamw", "optimizer__lr": 1e-3},
    "rmsprop": {"optimizer__name": "rmsprop", "optimizer__lr": 1e-3},
    "lamb": {"optimizer__name": "lamb", "optimizer__lr": 1e-3},
    "fp16 sgd": {"runtime__precision": "fp16"},
    "bf16 adamw": {"runtime__precision": "bf16", "optimizer__name": "adamw", "optimizer__lr": 1e-3},
}


class Counting(Progress):
    def __init__(self):
        self.steps = 0

    def stepped(self, *facts):
        self.steps += 1


def content(folder):
    rows = [
        {name: value for name, value in row.items() if name not in records.MEASURED_COLUMNS}
        for row in records.read_epochs(folder / records.EPOCHS)
    ]
    models = {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
    status = records.read_status(folder)
    totals = {name: value for name, value in status.totals.items() if name != "epoch_seconds"}
    return rows, records.read_steps(folder / records.STEPS), models, totals


@pytest.mark.parametrize("name", [*RUNS, *(pytest.param(name, marks=pytest.mark.slow) for name in ALONE)])
def test_a_run_that_is_stopped_and_resumed_equals_one_that_was_not(tmp_path, name):
    resolved = tiny(train__epochs=2, **(RUNS | ALONE)[name])
    train_run(resolved, tmp_path / "whole")
    total = records.read_status(RunFolder.of(tmp_path / "whole", resolved.config).path).steps_done
    for _ in range(0, total - 5, 5):  # within an epoch, and within the next one
        progress = Counting()
        with pytest.raises(Stopped):
            train_run(
                resolved,
                tmp_path / "parts",
                progress,
                stop_requested=lambda p=progress: "test" if p.steps == 5 else None,
            )
    train_run(resolved, tmp_path / "parts")
    whole, parts = (content(RunFolder.of(tmp_path / each, resolved.config).path) for each in ("whole", "parts"))
    assert whole == parts
    assert {"base", "motivated"} == set(whole[1]["role"])
    assert ("skipped_updates" in whole[3]) is name.startswith("fp16")


def trainer_of(**changes):
    config = tiny(**changes).config
    return build_trainer(config, sources.load(config.data), CPU)


def spoil(trainer, steps):
    """Make the gradients of these steps (from 0) infinite while the losses stay as they are."""
    taken = iter(range(10**6))
    for model in trainer.models.values():
        first = next(model.parameters())
        first.register_hook(lambda gradient: gradient * (math.inf if next(taken) in steps else 1.0))


def test_fp16_skips_are_counted_and_training_goes_on():
    trainer = trainer_of(runtime__precision="fp16")
    spoil(trainer, {1, 3, 4})
    scale = trainer.scaler.get_scale()
    trainer.train_epoch(lambda: None)
    assert trainer.skipped_updates == 3
    assert trainer.scaler.get_scale() == scale / 8
    assert len(trainer.log.losses) == 6
    assert all(math.isfinite(loss) for loss in trainer.log.losses)


def test_fifty_skips_in_a_row_fail_the_run_and_fewer_do_not(monkeypatch):
    """Two, to be quick."""
    assert MAX_SKIPPED_IN_A_ROW == 50
    monkeypatch.setattr("seekcli.train.trainer.MAX_SKIPPED_IN_A_ROW", 2)

    def run(spoiled):
        trainer = trainer_of(runtime__precision="fp16", train__epochs=2, **SHORT)
        spoil(trainer, spoiled)
        for _ in range(2):
            trainer.train_epoch(lambda: None)
            trainer.start_next_epoch()
        return trainer

    assert run({0, 2, 4}).skipped_updates == 3
    with pytest.raises(
        RunFailed, match=r"2 updates in a row had gradients that fp16 cannot hold, epoch 2: .*--precision bf16"
    ):
        run({2, 3})


def test_a_skip_in_the_last_step_before_a_checkpoint_is_counted_once():
    trainer = trainer_of(runtime__precision="fp16")
    spoil(trainer, {0})

    class Enough(Exception):
        pass

    def stop():
        raise Enough

    with pytest.raises(Enough):
        trainer.train_epoch(stop)
    tensors, plain = trainer.state()
    assert plain["skipped"] == [1, 1]
    other = trainer_of(runtime__precision="fp16")
    other.load_state({name: tensor.clone() for name, tensor in tensors.items()}, plain)
    other.train_epoch(lambda: None)
    assert other.skipped_updates == 1


def test_without_a_scaler_an_infinite_gradient_fails_the_run_before_it_is_saved():
    trainer = trainer_of()
    spoil(trainer, {0})
    with pytest.raises(RunFailed, match="non-finite gradient at step 1"):
        trainer.train_epoch(lambda: trainer.state())


def test_training_flops_are_those_of_the_training_size(tmp_path):
    found = {}
    for size in (8, 4):
        resolved = tiny(schedule="base", data__train_size=size, train__epochs=1)
        row = train_run(resolved, tmp_path).final[0]
        found[size] = (row["train_flops"], row["forward_macs_per_image"], row["evaluation_flops"])
    assert found[8][1:] == found[4][1:]
    assert found[4][0] < found[8][0] / 3


def test_dropout_draws_do_not_depend_on_micro_batches_before():
    """The generator is keyed per step, not per micro-batch: a step's draws follow one another."""
    trainer = trainer_of(train__accumulate_steps=2, train__batch_size=8, schedule="base")
    drawn = []

    class Drawing(nn.Module):
        def forward(self, values):
            drawn.append(torch.rand(()).item())
            return values

    model = trainer.models["base"]
    model.fc = nn.Sequential(Drawing(), model.fc)
    trainer.train_epoch(lambda: None)
    assert len(set(drawn)) == len(drawn) == 6
