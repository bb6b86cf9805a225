"""The moving average of the weights: what it is, that training does not see it, and that it is what is kept."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny
from torch import nn

from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.method.pair import running_statistics
from seekcli.resolve.build import build_trainer
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.averaging import WeightAverage
from seekcli.train.progress import Progress

CPU = torch.device("cpu")


def trainer_of(**changes):
    config = tiny(**changes).config
    return build_trainer(config, sources.load(config.data), CPU)


def test_the_average_moves_by_its_formula_buffers_included_and_counters_are_copied():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    average = WeightAverage(model, 0.9)
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for step in range(3):
        model(torch.randn(4, 1, 5, 5))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(step + 1.0)
        average.update()
        for name, tensor in model.state_dict().items():
            whole = not tensor.is_floating_point()
            expected[name] = tensor.clone() if whole else 0.9 * expected[name] + 0.1 * tensor
    found = average.model.state_dict()
    assert found["1.num_batches_tracked"] == 3
    assert all(torch.allclose(found[name], tensor.to(found[name].dtype)) for name, tensor in expected.items())
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


def test_training_does_not_see_the_average():
    trainers = [trainer_of(train__ema_decay=decay) for decay in (0.0, 0.9)]
    for trainer in trainers:
        for _ in range(2):
            trainer.train_epoch(lambda: None)
            trainer.evaluate()
            trainer.start_next_epoch()
    for role, model in trainers[0].models.items():
        other = trainers[1].models[role].state_dict()
        assert all(torch.equal(tensor, other[name]) for name, tensor in model.state_dict().items())


def test_what_is_kept_is_the_average_with_the_bases_in_the_motivated_one():
    trainer = trainer_of(train__ema_decay=0.9, pair__recalibrate_batches=0)
    trainer.train_epoch(lambda: None)
    assert {"base", "motivated"} == set(trainer.log.roles)
    kept = trainer.models_to_keep()
    assert kept["base"] is trainer.averages.of["base"].model
    base, motivated = kept["base"].state_dict(), kept["motivated"].state_dict()
    # ResNet-8 in ResNet-14: equal names, equal shapes.
    statistics = running_statistics(kept["base"])
    assert all(torch.equal(tensor, motivated[name]) for name, tensor in base.items() if name not in statistics)
    assert not torch.equal(base["bn1.running_mean"], motivated["bn1.running_mean"])
    assert not torch.equal(base["conv1.weight"], trainer.models["base"].state_dict()["conv1.weight"])


def test_it_is_off_by_default():
    trainer = trainer_of(pair__recalibrate_batches=0)
    assert trainer.averages is None
    assert trainer.models_to_keep() is trainer.models


@pytest.mark.parametrize("schedule", ["alternating", pytest.param("base", marks=pytest.mark.slow)])
def test_the_average_is_resumed_evaluated_and_written(tmp_path, schedule):
    resolved = tiny(train__ema_decay=0.8, train__epochs=2, schedule=schedule)
    train_run(resolved, tmp_path / "whole")
    steps = []

    class Counting(Progress):
        def stepped(self, *facts):
            steps.append(facts)

    for _ in range(3):
        stop_at = len(steps) + 3
        with pytest.raises(Stopped):
            train_run(resolved, tmp_path / "parts", Counting(),
                  stop_requested=lambda stop_at=stop_at: "test" if len(steps) >= stop_at else None)  # fmt: skip
    train_run(resolved, tmp_path / "parts")
    whole, parts = (RunFolder.of(tmp_path / name, resolved.config).path for name in ("whole", "parts"))
    for role in resolved.config.roles:
        assert (whole / f"{role}.safetensors").read_bytes() == (parts / f"{role}.safetensors").read_bytes()
    accuracies = [[row["test_loss"] for row in records.read_epochs(each / records.EPOCHS)] for each in (whole, parts)]
    assert accuracies[0] == accuracies[1]
    other = tmp_path / "plain"
    train_run(tiny(train__epochs=2, schedule=schedule), other)
    plain = RunFolder.of(other, tiny(train__epochs=2, schedule=schedule).config).path
    assert not torch.equal(
        load_file(plain / "base.safetensors")["conv1.weight"], load_file(whole / "base.safetensors")["conv1.weight"]
    )
