"""Several processes that train one run, joined over gloo, against one process that trains the same.

Tolerances are of float32 sums in another order: of weights of a size of 1, of losses of a size of 2. AdamW divides by
the size of a gradient: where that is all rounding, so is the step, which is at most the learning rate.
"""

from __future__ import annotations

import math

import pytest
import torch
from joined_processes import in_processes
from tiny import tiny
from tiny_text import tiny_text

from seekcli.data.sets import sources
from seekcli.data.splitting.holdout import hold_out
from seekcli.errors import AgreedFailure
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.build import build_trainer
from seekcli.train.agreed_condition import AgreedCondition
from seekcli.train.step import share_of

CPU = torch.device("cpu")
TOLERANCE = 2e-6
ADAMW_TOLERANCE = 1e-4


def trainer_of(resolved, ranks=ALONE):
    config = resolved.config
    dataset = hold_out(sources.load(config.data), config.data.holdout_images, config.seed)
    return build_trainer(config, dataset, CPU, None, ranks)


def trained(resolved, ranks=ALONE):
    """Decisions, losses, and all tensors at the end of the run."""
    trainer = trainer_of(resolved, ranks)
    roles, losses = [], []
    while not trainer.finished:
        trainer.train_epoch(lambda: None)
        roles += trainer.log.roles
        losses += trainer.log.losses
        trainer.start_next_epoch()
    tensors = {name: tensor.clone() for name, tensor in trainer.state()[0].items()}
    return {"roles": roles, "losses": losses, "switches": trainer.turn_rule.switches, "tensors": tensors}


def farthest(one, other, names=lambda name: True):
    """The largest difference of any element."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one if names(name))


def is_statistic(name):
    return "running_" in name or "num_batches" in name


def assert_equal_training(one, many, tolerance, names=lambda name: True):
    for process in many:
        assert process["roles"] == one["roles"]
        assert process["switches"] == one["switches"]
    assert {"base", "motivated"} == set(one["roles"])
    assert many[0]["losses"] == pytest.approx(one["losses"], abs=TOLERANCE)
    assert farthest(one["tensors"], many[0]["tensors"], names) <= tolerance
    own = {name for name in one["tensors"] if not is_statistic(name)}
    for process in many[1:]:  # equal to the last bit among themselves, or they would drift apart
        assert all(torch.equal(process["tensors"][name], many[0]["tensors"][name]) for name in own)


@pytest.mark.slow
def test_a_language_model_trains_as_in_one_process(tmp_path):
    """No BatchNorm; the batches of 4 windows are 2 and 2."""
    resolved = tiny_text(tmp_path)
    many = in_processes(2, lambda ranks: trained(resolved, ranks))
    assert_equal_training(trained(resolved), many, ADAMW_TOLERANCE)


def test_batchnorm_of_each_process_is_that_of_parts_of_a_batch_in_one(tmp_path):
    """Two micro-batches in one process are the reference: to the last bit. Running statistics are the first one's."""
    resolved = tiny(train__processes=2, train__epochs=1)
    many = in_processes(2, lambda ranks: trained(resolved, ranks))
    parts = trained(tiny(train__accumulate_steps=2, train__epochs=1))
    assert_equal_training(parts, many, 0.0, lambda name: not is_statistic(name))
    assert many[0]["losses"] == parts["losses"]


def statistics_after_a_step(ranks: Ranks):
    trainer = trainer_of(tiny(train__processes=2), ranks)
    images, labels = next(iter(trainer.batches.epoch(0)))
    trainer.steps["base"].take(images, labels, 0.0, lambda loss: None)
    return {name: tensor for name, tensor in trainer.models["base"].state_dict().items() if is_statistic(name)}


def test_running_statistics_of_each_process_are_of_its_own_images(tmp_path):
    found = in_processes(2, statistics_after_a_step)
    for rank, own in enumerate((slice(0, 2), slice(2, 4))):
        trainer = trainer_of(tiny())
        images, _ = next(iter(trainer.batches.epoch(0)))
        trainer.models["base"].train()(images[own])
        naive = trainer.models["base"].state_dict()
        assert all(torch.equal(tensor, naive[name]) for name, tensor in found[rank].items())


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        pytest.param(2, {"train__epochs": 2}, marks=pytest.mark.slow),
        # 24 images: three batches of 7 and one of 3, of which two processes take nothing.
        (3, {"train__epochs": 1, "train__batch_size": 7, "train__clip_norm": 1.0}),
        pytest.param(
            2,
            {
                "train__batch_size": 8, "train__accumulate_steps": 2, "train__ema_decay": 0.5, "train__loss": "bce",
                "augment__mixup_alpha": 0.8, "augment__cutmix_alpha": 1.0, "augment__erasing_probability": 0.5,
                "augment__crop_padding": 1, "augment__flip": True,
            },
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_synchronised_batchnorm_trains_as_in_one_process(tmp_path, size, changes):
    """Weights, optimizer state, averages and running statistics; images are drawn and mixed as in one process."""
    resolved = tiny(train__processes=size, train__batchnorm="synchronised", **changes)
    many = in_processes(size, lambda ranks: trained(resolved, ranks))
    assert_equal_training(trained(resolved), many, TOLERANCE)


def test_shares_are_contiguous_and_never_one_image():
    shares = [share_of(10, 17, Ranks(rank, 3)) for rank in range(3)]
    assert [(share.first, share.stop, share.images) for share in shares] == [(10, 12, 2), (12, 14, 2), (14, 17, 3)]
    few = [share_of(10, 13, Ranks(rank, 3)) for rank in range(3)]
    assert [(share.first, share.stop, share.images) for share in few] == [(10, 13, 3), (10, 13, 0), (10, 13, 0)]
    assert share_of(0, 5, ALONE).images == 5


def failed_alike(ranks: Ranks):
    trainer = trainer_of(tiny(train__processes=2), ranks)
    if not ranks.first:
        trainer.batches.scale = trainer.batches.scale * math.nan  # the images of this process alone
    try:
        trainer.train_epoch(lambda: None)
    except AgreedFailure as error:
        return str(error)
    return None


def test_a_loss_that_is_not_finite_in_one_process_fails_all_alike(tmp_path):
    first, second = in_processes(2, failed_alike)
    assert first == second
    assert first.startswith("non-finite loss at step 1 ")


class OwnView:
    """A condition whose answer depends on the process."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def observe(self, step):
        self.asked += 1
        return self.answer


def agreed_answers(ranks: Ranks):
    own = OwnView(ranks.first)
    agreed = AgreedCondition(own, ranks)
    return [agreed.observe(None), agreed.observe(None), own.asked]


def test_the_first_process_alone_decides(tmp_path):
    assert in_processes(2, agreed_answers) == [[True, True, 2], [True, True, 0]]


WATCHING = {"motivation__condition": "validation-loss", "data__holdout_images": 6}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [WATCHING, {"motivation__condition": "gradient-norm"}], ids=["held out", "norm"])
def test_conditions_that_watch_more_than_the_loss_decide_alike(tmp_path, changes):
    resolved = tiny(train__processes=2, train__epochs=1, train__batchnorm="synchronised", **changes)
    many = in_processes(2, lambda ranks: trained(resolved, ranks))
    assert_equal_training(trained(resolved), many, TOLERANCE)


def skipped(ranks: Ranks):
    trainer = trainer_of(tiny(train__processes=2, train__steps=2, runtime__precision="fp16"), ranks)
    if not ranks.first:  # of what this process adds to the gradient fp16 cannot hold all
        next(trainer.models["base"].parameters()).register_hook(lambda gradient: gradient * math.inf)
    trainer.train_epoch(lambda: None)
    return [trainer.skipped_updates, trainer.scaler.get_scale()]


def test_an_update_that_fp16_skips_in_one_process_is_skipped_in_all(tmp_path):
    first, second = in_processes(2, skipped)
    assert first == second
    assert first[0] > 0


def dropout_draws(ranks: Ranks):
    trainer, drawn = trainer_of(tiny(train__processes=2, train__epochs=1), ranks), []
    trainer.models["base"].register_forward_pre_hook(lambda module, given: drawn.append(torch.rand(2).tolist()))
    images, labels = next(iter(trainer.batches.epoch(0)))
    trainer._train_step("base", images, labels)
    return drawn[0]


def test_each_process_has_its_own_dropout_draws_and_the_first_those_of_one_alone(tmp_path):
    first, second = in_processes(2, dropout_draws)
    assert first == dropout_draws(ALONE)
    assert first != second
