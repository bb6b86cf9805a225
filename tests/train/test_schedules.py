"""The learning rate at every step of every recipe, against formulas written anew; and what warm-up and decay mean."""

from __future__ import annotations

import math

import pytest

from seekcli.config.identity import run_key
from seekcli.config.layers import load_recipe, merge, recipe_names
from seekcli.config.settings import LrScheduleConfig, OptimizerConfig
from seekcli.train.schedules import learning_rate


def curve(schedule, peak, steps_per_epoch, epochs):
    total = steps_per_epoch * epochs
    return [learning_rate(schedule, peak, step, steps_per_epoch, total) for step in range(total)]


def cosine(step, total, warmup, start, peak, end):
    if step < warmup:
        return start * (1 - step / warmup) + peak * (step / warmup)
    angle = math.pi * (step - warmup) / (total - warmup)
    return peak * math.cos(angle / 2) ** 2 + end * math.sin(angle / 2) ** 2


# What each recipe's curve is, at a step of so many in an epoch: from the table of the paper's recipes, by hand.
FORMULAS = {
    "digits": lambda step, per_epoch: cosine(step, 20 * per_epoch, 0, 0, 0.1, 0),
    "cifar-resnet": lambda step, per_epoch: cosine(step, 200 * per_epoch, 0, 0, 0.1, 0),
    "cifar-vit": lambda step, per_epoch: cosine(step, 300 * per_epoch, 20 * per_epoch, 1e-6, 2.5e-4, 1e-5),
    "imagenet-a3": lambda step, per_epoch: cosine(step, 100 * per_epoch, 5 * per_epoch, 1e-4, 8e-3, 1e-6),
    "transfer": lambda step, per_epoch: cosine(step, 300 * per_epoch, 0, 0, 0.01, 0),
    "any-model": lambda step, per_epoch: cosine(step, 20 * per_epoch, per_epoch, 1e-6, 1e-3, 0),
    "small-vit": lambda step, per_epoch: cosine(step, 20 * per_epoch, 2 * per_epoch, 1e-6, 5e-4, 0),
    "small-efficientnet": lambda step, per_epoch: cosine(step, 30 * per_epoch, 2 * per_epoch, 1e-6, 2e-3, 0),
    "text": lambda step, per_epoch: cosine(step, 10 * per_epoch, round(per_epoch / 2), 1e-6, 4e-3, 4e-4),
    "cifar-efficientnet": lambda step, per_epoch: (
        1e-6 + (0.01 - 1e-6) * step / (5 * per_epoch)
        if step < 5 * per_epoch
        else 0.01 * math.prod([0.97] * int((step / per_epoch - 5) / 2))
    ),
}


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("per_epoch", [3, 8])
def test_a_recipes_curve_is_its_formula_at_every_step(name, per_epoch):
    config = merge([(name, load_recipe(name))]).config
    found = curve(config.lr_schedule, config.optimizer.lr, per_epoch, config.train.epochs)
    assert len(found) == per_epoch * config.train.epochs
    for step, rate in enumerate(found):
        assert rate == pytest.approx(FORMULAS[name](step, per_epoch), rel=1e-9, abs=1e-15), step


def test_warm_up_starts_where_it_says_and_peaks_at_its_end():
    schedule = LrScheduleConfig(name="constant", warmup_epochs=2, warmup_start_lr=0.2)
    assert curve(schedule, 1.0, 4, 3) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1, 1])


def test_a_warm_up_of_part_of_an_epoch_ends_at_the_nearest_step():
    schedule = LrScheduleConfig(name="constant", warmup_epochs=0.5, warmup_start_lr=0.0)
    assert curve(schedule, 1.0, 4, 1) == pytest.approx([0, 0.5, 1, 1])


def test_exponential_decays_in_whole_jumps_counted_from_the_end_of_the_warm_up():
    schedule = LrScheduleConfig(
        name="exponential", warmup_epochs=1, warmup_start_lr=1.0, decay_rate=0.5, decay_every_epochs=1.5
    )
    found = curve(schedule, 1.0, 2, 6)
    assert found == pytest.approx([1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125])


def test_cosine_falls_all_the_way_and_never_below_its_end():
    schedule = LrScheduleConfig(name="cosine", min_lr=0.1)
    found = curve(schedule, 1.0, 10, 10)
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert 0.1 < found[-1] < 0.101
    assert learning_rate(schedule, 1.0, 100, 10, 100) == pytest.approx(0.1)


def test_constant_is():
    assert set(curve(LrScheduleConfig(name="constant"), OptimizerConfig().lr, 3, 3)) == {0.1}


def test_wsd_warms_up_stays_and_decays_linearly_over_the_last_fraction_of_all_steps():
    schedule = LrScheduleConfig(name="wsd", warmup_epochs=1.0, warmup_start_lr=0.0, min_lr=0.02, decay_fraction=0.25)
    found = curve(schedule, 0.1, 4, 5)
    warm_up, stable = [0.0, 0.025, 0.05, 0.075], [0.1] * 11
    decay = [0.1, 0.084, 0.068, 0.052, 0.036]
    assert found == pytest.approx([*warm_up, *stable, *decay])


def test_the_decay_fraction_is_in_the_run_id_of_wsd_alone():
    def identity_of(name, fraction):
        return run_key(merge([("test", {"lr_schedule.name": name, "lr_schedule.decay_fraction": fraction})]).config)

    assert identity_of("cosine", 0.2) == identity_of("cosine", 0.3)
    assert identity_of("wsd", 0.2) != identity_of("wsd", 0.3)
    assert identity_of("wsd", 0.2) != identity_of("cosine", 0.2)
