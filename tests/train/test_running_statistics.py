"""BatchNorm running statistics: they stay with their model, and training is the same whether they do or travel."""

from __future__ import annotations

import pytest
import torch
from tiny import TINY, tiny

from seekcli.config.identity import run_id, run_key
from seekcli.data.sets import sources
from seekcli.data.splitting.holdout import hold_out
from seekcli.method.pair import running_statistics
from seekcli.models.catalog import MODELS, has_running_statistics
from seekcli.models.pairs import build_model
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve

CPU = torch.device("cpu")


def trainer_of(**changes):
    config = tiny(**changes).config
    return build_trainer(config, hold_out(sources.load(config.data), config.data.holdout_images, config.seed), CPU)


def trained(epochs=2, **changes):
    trainer = trainer_of(train__epochs=epochs, **changes)
    roles, losses = [], []
    for _ in range(epochs):
        trainer.train_epoch(lambda: None)
        roles += trainer.log.roles
        losses += trainer.log.losses
        trainer.evaluate()
        trainer.start_next_epoch()
    return trainer, roles, losses


@pytest.mark.parametrize(
    ("condition", "init"),
    [
        ("loss", "paper"),
        pytest.param("loss", "identity", marks=pytest.mark.slow),
        pytest.param("gradient-norm", "paper", marks=pytest.mark.slow),
        ("gradient-norm", "identity"),
    ],
)
def test_training_is_bit_identical_whether_statistics_stay_or_travel(init, condition):
    (own, *own_trace), (carried, *carried_trace) = (
        trained(pair__buffers=buffers, pair__init=init, motivation__condition=condition)
        for buffers in ("own", "carried")
    )
    assert own_trace == carried_trace
    assert {"base", "motivated"} == set(own_trace[0])
    for role, model in own.models.items():
        other, statistics = carried.models[role].state_dict(), running_statistics(model)
        differing = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, other[name])}
        assert differing
        assert differing <= statistics


def test_a_condition_that_evaluates_sees_the_statistics():
    """So its decisions may differ: which of the two is a setting of the run, and hashed."""
    seen = []
    for buffers in ("own", "carried"):
        condition = {"motivation__condition": "validation-loss", "data__holdout_images": 6}
        trainer, roles, _ = trained(pair__buffers=buffers, pair__recalibrate_batches=0, **condition)
        assert {"base", "motivated"} == set(roles)
        seen.append(trainer.turn_rule.condition.previous)
    assert seen[0] != seen[1]


def test_statistics_count_the_steps_of_their_own_model():
    trainer, roles, _ = trained(pair__init="paper")
    first = roles.index("motivated")  # the motivated model started from the base's, once
    base, motivated = (trainer.models[role].state_dict()["bn1.num_batches_tracked"] for role in ("base", "motivated"))
    assert base == roles.count("base")
    assert motivated == first + roles.count("motivated")


def test_until_its_first_step_the_motivated_model_is_the_base_in_evaluation_too():
    trainer, _, _ = trained(motivation__condition="never", pair__recalibrate_batches=0)
    found = trainer.evaluate()
    assert found["motivated"]["test"].accuracy_percent == found["base"]["test"].accuracy_percent
    assert found["motivated"]["test"].loss == pytest.approx(found["base"]["test"].loss, rel=1e-5)


class FromTheSecondEpoch:
    def observe(self, step):
        return step.epoch > 0


def test_the_average_of_the_motivated_model_starts_from_the_base_however_often_it_is_evaluated():
    averages = []
    for evaluates in (False, True):
        trainer = trainer_of(train__ema_decay=0.9, train__epochs=3, pair__init="paper")
        trainer.turn_rule.condition = FromTheSecondEpoch()
        for _ in range(3):
            trainer.train_epoch(lambda: None)
            if evaluates:
                trainer.models_to_keep()
            trainer.start_next_epoch()
        assert trainer.turn_rule.motivated_steps > 0
        averages.append(trainer.averages.of["motivated"].model.state_dict())
        trainer.models_to_keep()
    assert all(torch.equal(tensor, averages[1][name]) for name, tensor in averages[0].items())


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "efficientnet-b0", "vit-tiny", "gpt-2x64"])
def test_the_catalog_knows_which_models_have_running_statistics(name):
    assert {MODELS[each].family for each in ("resnet8", "resnet18", "efficientnet-b0", "vit-tiny", "gpt-2x64")} == {
        spec.family for spec in MODELS.values()
    }
    with torch.device("meta"):
        model = build_model(name, 10, 3, 32)
    assert bool(running_statistics(model)) == has_running_statistics(name)


def vit(**changes):
    models = {"pair.base": "vit-tiny", "pair.motivated": "vit-small", "data.name": "synthetic:3x8x8:3:30"}
    return resolve([("test", models | {key.replace("__", "."): value for key, value in changes.items()})]).config


def test_without_running_statistics_both_settings_stand_at_what_changes_nothing():
    plain, asked = vit(), vit(pair__buffers="own", pair__recalibrate_batches=3)
    assert (asked.pair.buffers, asked.pair.recalibrate_batches) == ("carried", 0)
    assert run_id(plain) == run_id(asked)
    assert not {"pair.buffers", "pair.recalibrate_batches"} & set(run_key(plain))


def test_with_them_both_are_settings_of_the_arm_and_of_no_classic_run():
    arm = resolve([("test", {key: value for key, value in TINY.items() if key != "pair.recalibrate_batches"})]).config
    assert (arm.pair.buffers, arm.pair.recalibrate_batches) == ("own", 10)
    ids = {run_id(tiny(**{f"pair__{name}": value}).config)
           for name, value in (("buffers", "own"), ("buffers", "carried"), ("recalibrate_batches", 3))}  # fmt: skip
    assert len(ids) == 3
    classic = [tiny(schedule="base", **changes).config for changes in ({}, {"pair__recalibrate_batches": 0})]
    assert run_id(classic[0]) == run_id(classic[1])
