"""Copies between the two models of a pair: exact, complete, and nothing beyond the map."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from seekcli.config.settings import OptimizerConfig
from seekcli.method.pair import Pair, StateTransfer, running_statistics
from seekcli.method.weights_map import build_map, tensors_of, view
from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.families.cifar_resnet import STAGES
from seekcli.train.optimizers import build_optimizer, optimizer_state

PAIRS = [(8, 14), (14, 20), (20, 32)]


def randomised(model, optimizer, seed):
    """Give every tensor of model and optimizer state its own values."""
    generator = torch.Generator().manual_seed(seed)
    state = optimizer_state(optimizer, model)
    with torch.no_grad():
        for tensor in [*tensors_of(model).values(), *(t for each in state.values() for t in each.values())]:
            values = torch.rand(tensor.shape, generator=generator) * 100
            tensor.copy_(values)
    return state


def make_pair(small, large, channels_last=False):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    base = CifarResNet(small, 10).to(memory_format=layout)
    motivated = CifarResNet(large, 10).to(memory_format=layout)
    pair = Pair(base, motivated, build_map(base, motivated, stages=STAGES))
    optimizers = [build_optimizer(OptimizerConfig(), model, torch.device("cpu")) for model in (base, motivated)]
    states = [
        randomised(model, opt, seed)
        for seed, (model, opt) in enumerate(zip((base, motivated), optimizers, strict=True))
    ]
    return pair, states


def snapshot(pair, states):
    tensors = {}
    for role, model, state in zip(("base", "motivated"), (pair.base, pair.motivated), states, strict=True):
        tensors |= {f"{role}/{name}": tensor.clone() for name, tensor in tensors_of(model).items()}
        tensors |= {f"{role}.{key}/{name}": t.clone() for name, each in state.items() for key, t in each.items()}
    return tensors


def motivated_mask(pair):
    """Which elements of each motivated tensor hold base elements."""
    mask = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in pair.weights_map.motivated_shapes.items()}
    for link in pair.weights_map.links:
        view(mask[link.motivated], link.motivated_region).fill_(True)
    return mask


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_up_then_down_is_the_identity_on_the_base(small, large, channels_last):
    pair, states = make_pair(small, large, channels_last)
    before = snapshot(pair, states)
    state_transfer = StateTransfer(pair, *states, "carried")
    state_transfer.up(fresh=False)
    state_transfer.down()
    after = snapshot(pair, states)
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("base"))


@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_copies_equal_a_naive_reference_and_leave_differential_entries_alone(small, large):
    pair, states = make_pair(small, large)
    before = snapshot(pair, states)
    StateTransfer(pair, *states, "carried").up(fresh=False)
    after, mask = snapshot(pair, states), motivated_mask(pair)
    for name, touched in mask.items():
        assert torch.equal(after[f"motivated/{name}"][~touched], before[f"motivated/{name}"][~touched])
        momentum = f"motivated.momentum_buffer/{name}"
        if momentum in after:
            assert torch.equal(after[momentum][~touched], before[momentum][~touched])
    for link in pair.weights_map.links:
        given = view(before[f"base/{link.base}"], link.base_region)
        assert torch.equal(view(after[f"motivated/{link.motivated}"], link.motivated_region), given)
        if f"base.momentum_buffer/{link.base}" in before:
            given = view(before[f"base.momentum_buffer/{link.base}"], link.base_region)
            taken = view(after[f"motivated.momentum_buffer/{link.motivated}"], link.motivated_region)
            assert torch.equal(taken, given)


@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_own_statistics_stay_where_they_are_and_all_else_is_copied_as_ever(small, large):
    carried, own = make_pair(small, large), make_pair(small, large)
    before = snapshot(*own)
    for (pair, states), buffers in ((carried, "carried"), (own, "own")):
        StateTransfer(pair, *states, buffers).up(fresh=False)
        with torch.no_grad():
            for tensor in tensors_of(pair.base).values():
                tensor.fill_(-2)
        StateTransfer(pair, *states, buffers).down()
    expected, found = snapshot(*carried), snapshot(*own)
    statistics = [name for name in before if re.search("running_|num_batches", name)]
    assert len(statistics) > 20
    for name, tensor in found.items():
        untouched = before[name] if name.startswith("motivated") else torch.full_like(tensor, -2)
        assert torch.equal(tensor, untouched if name in statistics else expected[name]), name


def test_a_motivated_model_without_a_step_of_its_own_takes_the_statistics_of_the_base():
    pair, states = make_pair(8, 14)
    base, motivated = tensors_of(pair.base), tensors_of(pair.motivated)
    statistics = running_statistics(pair.base)
    assert statistics == {name for name in base if re.search("running_|num_batches", name)}
    state_transfer = StateTransfer(pair, *states, "own")
    for copy_up in (state_transfer.up, state_transfer.refresh):
        randomised(pair.base, build_optimizer(OptimizerConfig(), pair.base, torch.device("cpu")), 7)
        copy_up(fresh=False)
        assert not any(torch.equal(motivated[name], base[name]) for name in statistics)
        copy_up(fresh=True)
        assert all(torch.equal(motivated[name], base[name]) for name in statistics)
        randomised(pair.motivated, build_optimizer(OptimizerConfig(), pair.motivated, torch.device("cpu")), 8)


def test_other_buffers_are_carried_whatever_becomes_of_running_statistics():
    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(2)
            self.register_buffer("seen", torch.zeros(1))
            self.register_buffer("running_mean", torch.zeros(1))  # by its name no statistic of a normalisation

    base, motivated = Counting(), Counting()
    base.seen.fill_(3)
    base.running_mean.fill_(4)
    base.norm.running_mean.fill_(5)
    StateTransfer(Pair(base, motivated, build_map(base, motivated)), {}, {}, "own").up(fresh=False)
    assert (motivated.seen.item(), motivated.running_mean.item()) == (3, 4)
    assert not motivated.norm.running_mean.any()


def test_refresh_carries_weights_and_buffers_but_no_optimizer_state():
    pair, states = make_pair(8, 14)
    before = snapshot(pair, states)
    StateTransfer(pair, *states, "carried").refresh(fresh=False)
    after = snapshot(pair, states)
    assert torch.equal(after["motivated/conv1.weight"], before["base/conv1.weight"])
    assert torch.equal(after["motivated/bn1.running_var"], before["base/bn1.running_var"])
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("motivated.momentum"))


def test_copied_bytes_count_weights_buffers_and_momentum():
    pair, states = make_pair(8, 14)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(pair.base).values())
    momentum = sum(parameter.numel() * 4 for parameter in pair.base.parameters())
    state_transfer = StateTransfer(pair, *states, "carried")
    assert state_transfer.up(fresh=False) == state_transfer.up(fresh=True) == weights + momentum
    assert state_transfer.down() == weights + momentum
    base = tensors_of(pair.base)
    statistics = sum(base[name].nbytes for name in running_statistics(pair.base))
    state_transfer = StateTransfer(pair, *states, "own")
    assert state_transfer.up(fresh=False) == state_transfer.down() == weights + momentum - statistics
    assert state_transfer.up(fresh=True) == weights + momentum


def test_entry_is_called_only_while_the_motivated_model_has_not_stepped():
    pair, states = make_pair(8, 14)
    calls = []
    state_transfer = StateTransfer(
        Pair(pair.base, pair.motivated, pair.weights_map, after_copy_up=calls.append), *states
    )
    state_transfer.up(fresh=True)
    state_transfer.refresh(fresh=True)
    state_transfer.up(fresh=False)
    state_transfer.down()
    assert len(calls) == 2


def test_optimizers_that_keep_different_state_are_refused():
    pair, states = make_pair(8, 14)
    missing = copy.copy(states[1])
    missing["conv1.weight"] = {}
    with pytest.raises(ValueError, match=r"optimizer state of conv1\.weight"):
        StateTransfer(pair, states[0], missing)
