"""What CUDA has of its own: fused updates, the readback, pinned batches, mixed precision, several devices' names.

`make test-cuda` runs these and says "not run" where there is no CUDA device. SEEK_TEST_DEVICE=cpu runs them on a CPU:
that checks the tests, not CUDA.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
import warnings
from pathlib import Path

import pytest
import torch
from photo_tree import photo_tree
from resumed_runs import StopAfter, train_in_pieces
from safetensors.torch import load_file
from tiny import tiny
from torchrun import ended, run_in, started
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import RunFailed, Stopped
from seekcli.models.pairs import build_pair
from seekcli.resolve.build import build_batches, build_trainer
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.step import Readback

DEVICE = os.environ.get("SEEK_TEST_DEVICE", "cuda")
ON_CUDA = DEVICE != "cpu"

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(ON_CUDA and not torch.cuda.is_available(), reason="not run: no CUDA device"),
]


@pytest.fixture(autouse=True)
def deterministic():
    """Equal kernels twice in a row, so that equal means equal bits."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    yield
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def on_device(**changes):
    return tiny(runtime__device=DEVICE, **changes)


def trainer_of(config):
    return build_trainer(config, sources.load(config.data), torch.device(DEVICE))


def naive_copy(pair, optimizers, source, target, fresh):
    """Plain copies by link: weights, buffers but for running statistics (unless `fresh`), and optimizer state."""
    models = {"base": pair.base, "motivated": pair.motivated}
    tensors = {role: dict(model.state_dict()) for role, model in models.items()}
    parameters = {role: dict(model.named_parameters()) for role, model in models.items()}
    for link in pair.weights_map.links:
        names = {"base": link.base, "motivated": link.motivated}
        regions = {
            "base": tuple(slice(*span) for span in link.base_region),
            "motivated": tuple(slice(*span) for span in link.motivated_region),
        }
        statistic = names["base"].rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
        if not statistic or fresh:
            with torch.no_grad():
                tensors[target][names[target]][regions[target]] = tensors[source][names[source]][regions[source]]
        if names["base"] in parameters["base"]:
            given = optimizers[source].state.get(parameters[source][names[source]], {})
            taken = optimizers[target].state[parameters[target][names[target]]]
            for key, value in given.items():
                if value.dim():
                    taken.setdefault(key, torch.zeros_like(parameters[target][names[target]]))
                    taken[key][regions[target]] = value[regions[source]]
                else:
                    taken[key] = value.clone()


class Naive:
    """Algorithm 1 with `.item()` after every step, torch's lazy optimizer state, plain copies and no readback."""

    def __init__(self, config):
        self.config, self.pair = config, build_pair(config)
        self.models = {"base": self.pair.base, "motivated": self.pair.motivated}
        for role, model in self.models.items():
            form = torch.channels_last if config.runtime.layout == "channels_last" else torch.contiguous_format
            self.models[role] = model.to(DEVICE, memory_format=form).train()
        kernels = {"fused": True} if ON_CUDA else {"foreach": True}
        options = {"lr": 0.0, "momentum": config.optimizer.momentum, "weight_decay": config.optimizer.weight_decay}
        self.optimizers = {
            role: torch.optim.SGD(model.parameters(), nesterov=config.optimizer.nesterov, **options, **kernels)
            for role, model in self.models.items()
        }
        self.role, self.previous, self.streak = "base", math.inf, 0
        self.roles, self.losses, self.own_steps = [], [], 0

    def epoch(self, epoch, batches, steps):
        for index, (images, labels) in enumerate(batches):
            done = epoch * len(batches) + index
            for group in self.optimizers[self.role].param_groups:
                group["lr"] = self.config.optimizer.lr * (1 + math.cos(math.pi * done / steps)) / 2
            self.optimizers[self.role].zero_grad()
            loss = torch.nn.functional.cross_entropy(self.models[self.role](images), labels)
            loss.backward()
            self.optimizers[self.role].step()
            value = loss.item()
            self.roles.append(self.role)
            self.losses.append(value)
            self.own_steps += self.role == "motivated"
            self.streak = self.streak + 1 if value < self.previous else 0
            self.previous = value
            self.take("motivated" if self.streak >= self.config.motivation.k else "base")
        self.take("base")

    def take(self, role):
        if role != self.role:
            naive_copy(self.pair, self.optimizers, self.role, role, fresh=role == "motivated" and not self.own_steps)
            self.role = role


@pytest.mark.parametrize("init", ["paper", "identity"])
def test_the_fast_path_makes_the_decisions_and_the_weights_of_a_naive_one(init):
    config = on_device(pair__init=init, train__epochs=4, data__name="synthetic:1x8x8:4:100").config
    trainer, naive = trainer_of(config), Naive(config)
    roles, losses = [], []
    for epoch in range(4):
        batches = [(images.clone(), labels.clone()) for images, labels in trainer.batches.epoch(epoch)]
        naive.epoch(epoch, batches, 4 * len(batches))
        trainer.train_epoch(lambda: None)
        roles += trainer.log.roles
        losses += trainer.log.losses
        trainer.start_next_epoch()
    assert roles == naive.roles
    assert len(set(roles)) == 2
    assert losses == naive.losses
    for role, model in naive.models.items():
        own = trainer.models[role].state_dict()
        for name, tensor in model.state_dict().items():
            assert torch.equal(own[name], tensor), (role, name)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop", "lamb"])
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path, optimizer: str) -> None:
    resolved = on_device(optimizer__name=optimizer, optimizer__lr=0.002, train__epochs=2)
    whole = train_run(resolved, tmp_path / "whole")
    assert train_in_pieces(resolved, tmp_path / "pieces", 5) >= 2
    pieces = records.read_status(RunFolder.of(tmp_path / "pieces", resolved.config).path)
    names = ("test_accuracy_percent", "test_loss", "train_loss", "motivated_steps", "switches")
    assert [[row[name] for name in names] for row in pieces.final] == [
        [row[name] for name in names] for row in whole.final
    ]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_both_models(tmp_path: Path, precision: str) -> None:
    if precision == "fp16" and not ON_CUDA:
        pytest.skip("fp16 is for CUDA")
    status = train_run(on_device(runtime__precision=precision, train__epochs=2), tmp_path)
    assert status.state == "finished"
    assert {row["role"] for row in status.final} == {"base", "motivated"}
    assert all(math.isfinite(row["test_loss"]) for row in status.final)


def test_an_update_that_is_not_finite_is_skipped_on_the_device(tmp_path: Path) -> None:
    """Parameters and momentum stay as they were, without a wait for the host."""
    trainer = trainer_of(on_device(schedule="base").config)
    step, model = trainer.steps["base"], trainer.models["base"]
    images, labels = next(iter(trainer.batches.epoch(0)))
    step.take(images, labels, 0.01, lambda loss: None)
    before = copy.deepcopy((model.state_dict(), trainer.optimizers["base"].state_dict()["state"]))
    step.take(images * math.inf, labels, 0.01, lambda loss: None)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[0][name]), name
    for number, state in trainer.optimizers["base"].state_dict()["state"].items():
        for key, value in state.items():
            assert torch.equal(value, before[1][number][key]), (number, key)


def test_a_loss_that_is_not_finite_fails_the_run_and_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    resolved = on_device(optimizer__lr=1e30, schedule="base")
    with pytest.raises(RunFailed, match="non-finite loss"):
        train_run(resolved, tmp_path)
    assert records.read_status(RunFolder.of(tmp_path, resolved.config).path).state == "failed"


def test_the_readback_gives_what_item_gives() -> None:
    readback = Readback(torch.device(DEVICE), 2)
    for number in range(50):
        values = torch.full((), number / 3, device=DEVICE), torch.full((), math.inf, device=DEVICE)
        readback.start(*values)
        torch.ones(256, 256, device=DEVICE) @ torch.ones(256, 256, device=DEVICE)
        assert readback.read() == [values[0].item(), math.inf]


@pytest.mark.skipif(not ON_CUDA, reason="of CUDA alone")
def test_a_step_makes_no_call_that_waits_for_the_device() -> None:
    """But for the readback of its loss, whose event no debug mode counts."""
    trainer = trainer_of(on_device(train__epochs=3).config)
    trainer.train_epoch(lambda: None)
    trainer.start_next_epoch()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            trainer.train_epoch(lambda: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [str(one.message) for one in said if "synchroniz" in str(one.message)]
    assert len(waits) <= 2, waits  # once an epoch: the order of its batches comes, its losses are read


def test_streamed_batches_are_those_of_a_cpu(tmp_path: Path) -> None:
    photo_tree(tmp_path, train=9, val=4)
    name = f"imagenet:{tmp_path}"
    settings = {"data__name": name, "data__image_size": 16, "runtime__workers": 2, "train__batch_size": 9}
    found = {}
    for device in (DEVICE, "cpu"):
        config = tiny(runtime__device=device, recipe="digits", **settings).config
        batches = build_batches(config, sources.load(config.data), torch.device(device))
        found[device] = [(images.cpu(), labels.cpu()) for images, labels in batches.epoch(0)]
        batches.close()
    for (images, labels), (own_images, own_labels) in zip(found[DEVICE], found["cpu"], strict=True):
        assert torch.equal(labels, own_labels)
        assert torch.allclose(images, own_images, atol=1e-5)


def seek(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_the_main_job(tmp_path: Path) -> None:
    """Train all three, compare, export, and evaluate the export on the device and on a CPU."""
    words = ("--model", "resnet8-to-14", "--limit-train", 100, "--epochs", 2, "--schedule", "all", "--seeds", 2)
    seek("train", *words, "--device", DEVICE, "--out", tmp_path, "--progress", "plain")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    seek("train", *words, "--device", DEVICE, "--out", tmp_path, "--progress", "plain")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before
    rows = [row for path in (tmp_path / "runs").glob("*/epochs.parquet") for row in records.read_epochs(path)]
    assert {row["device_type"] for row in rows} == {DEVICE.partition(":")[0]}
    assert all(row["peak_memory_bytes"] for row in rows) == ON_CUDA
    assert json.loads(seek("compare", tmp_path, "--format", "json"))["cells"]
    (run,) = (
        path for path in (tmp_path / "runs").iterdir() if path.name.startswith("resnet8-to-14") and "_s0_" in path.name
    )
    seek("export", run, "--to", tmp_path / "exports")
    for device in (DEVICE, "cpu"):
        words = ("evaluate", tmp_path / "exports" / "resnet8-base", "--data", "digits", "--device", device)
        (found,) = json.loads(seek(*words, "--format", "json"))
        difference = found["test_accuracy_percent"] - found["recorded_test_accuracy_percent"]
        assert abs(difference) <= (0 if device == DEVICE else 100 / found["images"]) + 1e-9


def test_doctor_names_the_device() -> None:
    said = seek("doctor")
    assert not ON_CUDA or torch.cuda.get_device_name(0) in said


def test_a_run_of_another_device_type_is_another_run(tmp_path: Path) -> None:
    progress = StopAfter(3)
    with pytest.raises(Stopped):
        train_run(on_device(), tmp_path, progress, stop_requested=progress.reason)
    train_run(tiny(), tmp_path)
    assert len(list((tmp_path / "runs").glob("*/status.json"))) == (2 if ON_CUDA else 1)


@pytest.mark.skipif(ON_CUDA and torch.cuda.device_count() < 2, reason="not run: fewer than two CUDA devices")
@pytest.mark.parametrize(("batchnorm", "parts"), [("synchronised", "1"), ("per-process", "2")])
def test_two_devices_train_what_one_does(tmp_path, batchnorm, parts):
    """Over NCCL; per process the reference is one device that takes each batch in two parts."""
    common = ("--epochs", "1", "--device", DEVICE)
    one = started(tmp_path / "one", *common, "--set", f"train.accumulate_steps={parts}", launcher=())
    assert ended(one)[0] == 0
    code, _, stderr = ended(started(tmp_path / "two", *common, "--set", f"train.batchnorm={batchnorm}"))
    assert code == 0, stderr
    of_one, of_two = run_in(tmp_path / "one"), run_in(tmp_path / "two")
    steps, others = (records.read_steps(run.steps_path) for run in (of_one, of_two))
    assert steps["role"] == others["role"]
    assert others["loss"] == pytest.approx(steps["loss"], abs=1e-3)
    for role in ("base", "motivated"):
        weights, other = (load_file(run.weights_path(role)) for run in (of_one, of_two))
        for name, tensor in weights.items():
            if batchnorm == "synchronised" or not re.search("running_|num_batches", name):
                torch.testing.assert_close(other[name], tensor, atol=1e-3, rtol=0)
    assert "nccl" in of_two.environment()["backend"] or not ON_CUDA
