"""One update: clipping, micro-batches, the scaler of fp16, and updates that are skipped."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from seekcli.config.layers import merge
from seekcli.config.schema import RunConfig
from seekcli.resolve.build import build_steps
from seekcli.train.optimizers import build_optimizer
from seekcli.train.step import Step, micro_batch_bounds
from seekcli.train.tasks.classification import classification

CPU = torch.device("cpu")
IMAGES = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])


def config_of(**settings) -> RunConfig:
    plain = {"optimizer.weight_decay": 0.0, "optimizer.momentum": 0.0, "runtime.precision": "fp32"}
    return merge([("test", plain | {key.replace("__", "."): value for key, value in settings.items()})]).config


def make_step(scaler=None, **settings):
    torch.manual_seed(1)
    model = nn.Linear(4, 3)
    config = config_of(**settings)
    task, optimizer = classification(config.train.loss), build_optimizer(config.optimizer, model, CPU)
    return build_steps(config, task, {"base": model}, {"base": optimizer}, scaler)["base"]


def take(step, images=IMAGES, labels=LABELS, rate=0.5):
    losses = []
    norm = step.take(images, labels, rate, losses.append)
    assert len(losses) == 1
    return losses[0], norm


def plain_step(images=IMAGES, labels=LABELS, clip=None):
    """torch's own words for one SGD update; returns loss, norm and weights."""
    torch.manual_seed(1)
    model = nn.Linear(4, 3)
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip or math.inf)
    torch.optim.SGD(model.parameters(), 0.5).step()
    return loss, norm, [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("clip", [None, 0.1, 100.0])
def test_clipping_is_by_the_global_norm_and_the_norm_returned_is_unclipped(clip):
    step = make_step(train__clip_norm=clip)
    loss, norm = take(step)
    expected_loss, expected_norm, weights = plain_step(clip=clip)
    assert (loss, norm) == (expected_loss, expected_norm)
    assert not loss.requires_grad
    assert all(torch.equal(*pair) for pair in zip(step.model.parameters(), weights, strict=True))
    moved = torch.cat([(new - old).flatten() for new, old in zip(weights, make_step().model.parameters(), strict=True)])
    if clip == 0.1:
        assert moved.norm().item() == pytest.approx(0.5 * clip, rel=1e-3)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_micro_batches_make_the_update_of_the_whole_batch(parts):
    whole, split = make_step(), make_step(train__accumulate_steps=parts)
    loss, norm = take(whole)
    split_loss, split_norm = take(split)
    assert torch.allclose(loss, split_loss)
    assert torch.allclose(norm, split_norm)
    for one, other in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_loss_of_a_step_is_the_mean_over_its_micro_batches():
    step = make_step(train__accumulate_steps=2)
    parts = [nn.functional.cross_entropy(step.model(IMAGES[half]), LABELS[half]) for half in (slice(5), slice(5, 10))]
    loss, _ = take(step)
    assert loss.item() == pytest.approx(sum(part.item() for part in parts) / 2)


def test_the_optimizer_steps_once_for_all_micro_batches():
    step = make_step(train__accumulate_steps=5, optimizer__name="adamw")
    take(step)
    assert {state["step"].item() for state in step.optimizer.state.values()} == {1}
    assert all(parameter.grad is None for parameter in step.model.parameters())


@pytest.mark.parametrize(
    ("images", "parts", "expected"),
    [
        (10, 1, [(0, 10)]),
        (10, 5, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]),
        (7, 2, [(0, 3), (3, 7)]),
        (3, 2, [(0, 3)]),  # not one image alone
        (5, 4, [(0, 2), (2, 5)]),
        (2048, 8, [(start, start + 256) for start in range(0, 2048, 256)]),
    ],
)
def test_micro_batch_bounds(images, parts, expected):
    assert micro_batch_bounds(images, parts) == expected


def weights_of(step):
    return {name: tensor.clone() for name, tensor in step.model.state_dict().items()}


def state_of(step):
    return [tensor.clone() for state in step.optimizer.state.values() for tensor in state.values()]


def spoiled():
    images = IMAGES.clone()
    images[3, 1] = math.inf
    return images


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop", "lamb"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_an_update_that_is_not_finite_changes_nothing(name, clip):
    step = make_step(optimizer__name=name, optimizer__momentum=0.9, train__clip_norm=clip)
    take(step)
    before, state = weights_of(step), state_of(step)
    _, norm = take(step, images=spoiled())
    assert not math.isfinite(norm)
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights_of(step).items())
    assert all(torch.equal(*pair) for pair in zip(state_of(step), state, strict=True))
    assert all(parameter.grad is None for parameter in step.model.parameters())
    take(step)
    assert not all(torch.equal(tensor, before[key]) for key, tensor in weights_of(step).items())


def test_a_fused_optimizer_is_told_by_a_flag_and_not_by_the_host():
    """The flag is what CUDA's kernels read; torch's fused kernels of the CPU read it too."""
    step = make_step()
    fused = torch.optim.SGD(step.model.parameters(), 0.5, fused=True)
    step = Step(step.model, fused, functional.cross_entropy)
    before = weights_of(step)
    take(step, images=spoiled())
    assert fused.found_inf.item() == 1
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights_of(step).items())
    take(step)
    assert fused.found_inf.item() == 0
    assert not torch.equal(before["weight"], step.model.weight)


def test_one_scaler_serves_both_models_and_an_infinite_gradient_halves_its_scale():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    base, motivated = (make_step(scaler, runtime__precision="fp16") for _ in range(2))
    take(base)
    before = weights_of(motivated)
    take(motivated, images=spoiled())
    assert scaler.get_scale() == 512.0
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights_of(motivated).items())
    loss, norm = take(base)
    assert scaler.get_scale() == 512.0
    assert math.isfinite(loss)
    # Unscaled: the norm is of the size that fp32 gives, not 512 times it.
    assert norm.item() == pytest.approx(take(make_step())[1].item(), rel=0.5)


def test_under_fp16_the_gradient_is_clipped_unscaled():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    step = make_step(scaler, runtime__precision="fp16", train__clip_norm=0.1)
    before = weights_of(step)
    take(step)
    moved = torch.cat([(tensor - before[key]).flatten() for key, tensor in weights_of(step).items()])
    assert moved.norm().item() == pytest.approx(0.05, rel=1e-2)
