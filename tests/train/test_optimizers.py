"""Optimizer state that is laid out, carried by views and resumed, against torch's and timm's own, made when first used.

The reference keeps its state as the libraries make it, lazily, and copies it at every switch by plain indexing. A giver
without state clears what the receiver has (method, section 3).
"""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from seekcli.config.settings import OptimizerConfig
from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import build_map
from seekcli.train.optimizers import build_optimizer, make_optimizer, optimizer_state, parameter_groups

CPU = torch.device("cpu")
SETTINGS = {
    "sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    "sgd-plain": {"lr": 0.05, "momentum": 0.0, "weight_decay": 1e-3},
    "adamw": {"lr": 0.01, "weight_decay": 0.05},
    "rmsprop": {"lr": 0.002, "momentum": 0.9, "weight_decay": 1e-3, "eps": 1e-3},
    "rmsprop-plain": {"lr": 0.002, "momentum": 0.0, "weight_decay": 1e-3},
    "lamb": {"lr": 0.01, "weight_decay": 0.02},
}
# The state of a parameter before its first step. `step` is timm's Lamb's for the whole group; alone in one, its own.
FRESH = {"momentum_buffer": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0, "step": 0.0, "square_avg": 1.0}


class Net(nn.Module):
    """Wider and deeper with `width`: what it adds has parameters without a counterpart."""

    def __init__(self, width, added):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.added = nn.Conv2d(width, width, 1) if added else nn.Identity()
        self.head = nn.Linear(width, 3)

    def forward(self, images):
        return self.head(self.added(self.norm(self.conv(images)).relu()).mean((2, 3)))


def config_of(name):
    return OptimizerConfig(name=name.partition("-")[0], decay_norms_and_biases=False, **SETTINGS[name])


def make_pair():
    torch.manual_seed(0)
    base, motivated = Net(4, False), Net(6, True)
    return base, motivated, build_map(base, motivated)


def batches(steps):
    generator = torch.Generator().manual_seed(7)
    for _ in range(steps):
        yield torch.randn(8, 1, 6, 6, generator=generator), torch.randint(3, (8,), generator=generator)


def turns(steps):
    """Who takes each step: stretches of every length from 1 to 5, the motivated model idle for the first 9 steps."""
    generator = torch.Generator().manual_seed(3)
    roles = ["base"] * 9
    while len(roles) < steps:
        for role in ("motivated", "base"):
            roles += [role] * int(torch.randint(1, 6, (), generator=generator))
    return roles[:steps]


def take_step(model, optimizer, batch, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()


def rate_of(step):
    return 0.01 / (1 + step)


class Reference:
    """Plain modules, lazily made state, copies by slicing."""

    def __init__(self, name):
        base, motivated, weights_map = make_pair()
        self.models = {"base": base, "motivated": motivated}
        self.map, self.role = weights_map, "base"
        config = config_of(name)
        self.optimizers = {role: build_lazily(config, model, CPU) for role, model in self.models.items()}

    def state_of(self, role, name):
        """The lazily made state of a parameter, Lamb's group count included; {} before the first step."""
        parameter = dict(self.models[role].named_parameters())[name]
        optimizer = self.optimizers[role]
        state = optimizer.state.setdefault(parameter, {})
        if type(optimizer).__name__ != "Lamb":
            return state
        return _WithGroupStep(state, next(group for group in optimizer.param_groups if group["params"][0] is parameter))

    def switch(self, role):
        giver, self.role = self.role, role
        tensors = {each: model.state_dict() for each, model in self.models.items()}
        parameters = {name for name, _ in self.models["base"].named_parameters()}
        for link in self.map.links:
            names = {"base": link.base, "motivated": link.motivated}
            regions = {
                "base": tuple(slice(*edge) for edge in link.base_region),
                "motivated": tuple(slice(*edge) for edge in link.motivated_region),
            }
            source, target = tensors[giver][names[giver]], tensors[role][names[role]]
            with torch.no_grad():
                target[regions[role]] = source[regions[giver]].clone()
            if link.base in parameters:
                self.carry(self.state_of(giver, names[giver]), self.state_of(role, names[role]), regions, giver, target)

    def carry(self, given, taken, regions, giver, parameter):
        taker = "base" if giver == "motivated" else "motivated"
        for key in {*given.keys(), *taken.keys()}:
            if key == "step":
                taken[key] = torch.tensor(float(given[key])) if key in given else torch.tensor(0.0)
                continue
            if key not in taken:
                taken[key] = torch.full_like(parameter, FRESH[key])
            taken[key][regions[taker]] = given[key][regions[giver]].clone() if key in given else FRESH[key]


class _WithGroupStep(dict):
    """The state of a parameter of timm's Lamb, whose step count is in its group."""

    def __init__(self, state, group):
        self.state, self.group = state, group
        super().__init__({**state, **({"step": group["step"]} if "step" in group else {})})

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        (self.group if key == "step" else self.state)[key] = value


def run_ours(name, steps, snapshot_at=None):
    """The tiny pair trained by turns with laid-out state. Returns models, optimizers and a saved state."""
    base, motivated, weights_map = make_pair()
    models = {"base": base, "motivated": motivated}
    optimizers = {role: build_optimizer(config_of(name), model, CPU) for role, model in models.items()}
    states = {role: optimizer_state(optimizers[role], model) for role, model in models.items()}
    state_transfer = StateTransfer(Pair(base, motivated, weights_map), states["base"], states["motivated"], "carried")
    role, saved = "base", None
    for step, (batch, who) in enumerate(zip(batches(steps), turns(steps), strict=True)):
        if who != role:
            state_transfer.up(fresh=False) if who == "motivated" else state_transfer.down()
            role = who
        take_step(models[who], optimizers[who], batch, rate_of(step))
        if step + 1 == snapshot_at:
            saved = {key: tensor.clone() for key, tensor in all_tensors(models, states).items()}
    return models, optimizers, states, saved


def all_tensors(models, states):
    tensors = {}
    for role, model in models.items():
        tensors |= {f"{role}/{name}": tensor for name, tensor in model.state_dict().items()}
        for name, state in states[role].items():
            tensors |= {f"{role}.optimizer/{name}/{key}": tensor for key, tensor in state.items()}
    return tensors


@pytest.mark.parametrize("name", SETTINGS)
def test_many_alternating_steps_equal_lazy_state_and_plain_copies(name):
    steps = 60
    models, _, states, _ = run_ours(name, steps)
    reference = Reference(name)
    for step, (batch, who) in enumerate(zip(batches(steps), turns(steps), strict=True)):
        if who != reference.role:
            reference.switch(who)
        take_step(reference.models[who], reference.optimizers[who], batch, rate_of(step))
    keys = set()
    for role, model in models.items():
        for tensor_name, tensor in reference.models[role].state_dict().items():
            assert torch.equal(model.state_dict()[tensor_name], tensor), (role, tensor_name)
        for parameter_name, state in states[role].items():
            expected = reference.state_of(role, parameter_name)
            assert state.keys() == expected.keys()
            keys |= state.keys()
            for key, tensor in state.items():
                value = torch.as_tensor(expected[key], dtype=tensor.dtype)
                assert torch.equal(tensor, value), (role, parameter_name, key)
    assert ("step" in keys) is (not name.startswith("sgd"))
    # Both models took many steps, and the motivated model's own part fewer than what it shares.
    assert 15 < turns(steps).count("motivated") < 45
    if "step" in keys:
        shared, own = states["motivated"]["conv.weight"]["step"], states["motivated"]["added.weight"]["step"]
        last_is_base = turns(steps)[-1] == "base"
        assert int(own) == turns(steps).count("motivated")
        assert int(shared if not last_is_base else states["base"]["conv.weight"]["step"]) == steps


def build_lazily(config, model, device):
    return make_optimizer(config, parameter_groups(config, model), device)


def addresses(optimizer, model):
    state = optimizer_state(optimizer, model)
    return {(name, key): (id(tensor), tensor.data_ptr()) for name, own in state.items() for key, tensor in own.items()}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_state_before_the_first_step_is_the_optimizers_own(name):
    """A step on laid-out state equals a step on none, to the bit, and makes no key that was not there."""
    results = []
    for build in (build_optimizer, build_lazily):
        torch.manual_seed(1)
        model = Net(4, True)
        optimizer = build(config_of(name), model, CPU)
        before = addresses(optimizer, model)
        for batch in batches(2):
            take_step(model, optimizer, batch, 0.01)
        results.append(model.state_dict())
        if build is build_optimizer:
            assert before == addresses(optimizer, model)  # the very tensors: views of them stay valid
    assert all(torch.equal(tensor, results[1][key]) for key, tensor in results[0].items())


@pytest.mark.parametrize("name", SETTINGS)
def test_state_copied_back_in_place_goes_on_exactly(name):
    """What a checkpoint does: tensors saved, and copied into a fresh pair."""
    steps, at = 40, 23
    whole, _, states, saved = run_ours(name, steps, snapshot_at=at)
    assert saved is not None
    json.dumps({key: tensor.tolist() for key, tensor in saved.items()})  # nothing but tensors of plain numbers
    base, motivated, weights_map = make_pair()
    models = {"base": base, "motivated": motivated}
    optimizers = {role: build_optimizer(config_of(name), model, CPU) for role, model in models.items()}
    own = {role: optimizer_state(optimizers[role], model) for role, model in models.items()}
    state_transfer = StateTransfer(Pair(base, motivated, weights_map), own["base"], own["motivated"], "carried")
    with torch.no_grad():
        for key, tensor in all_tensors(models, own).items():
            tensor.copy_(saved[key])
    role = turns(steps)[at - 1]
    for step, (batch, who) in enumerate(zip(batches(steps), turns(steps), strict=True)):
        if step < at:
            continue
        if who != role:
            state_transfer.up(fresh=False) if who == "motivated" else state_transfer.down()
            role = who
        take_step(models[who], optimizers[who], batch, rate_of(step))
    expected = all_tensors(whole, states)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in all_tensors(models, own).items())


def decayed_names(model, **settings):
    groups = parameter_groups(OptimizerConfig(weight_decay=0.1, **settings), model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(names)
    return {names[id(parameter)] for group in groups if group["weight_decay"] for parameter in group["params"]}


def test_weight_decay_spares_norms_and_biases_where_the_recipe_says_so():
    model = Net(4, True)
    assert decayed_names(model) == {name for name, _ in model.named_parameters()}
    assert decayed_names(model, decay_norms_and_biases=False) == {"conv.weight", "added.weight", "head.weight"}


def test_what_a_model_exempts_is_spared_too():
    model = Net(4, True)
    model.no_weight_decay = lambda: {"added.weight"}
    assert decayed_names(model, decay_norms_and_biases=False) == {"conv.weight", "head.weight"}
    assert "added.weight" in decayed_names(model)


def test_settings_reach_the_optimizer():
    model = Net(4, False)
    adamw = build_optimizer(OptimizerConfig(name="adamw", beta1=0.8, beta2=0.95, eps=1e-5, lr=0.3), model, CPU)
    assert (adamw.defaults["betas"], adamw.defaults["eps"], adamw.defaults["lr"]) == ((0.8, 0.95), 1e-5, 0.3)
    rmsprop = build_optimizer(OptimizerConfig(name="rmsprop", rms_decay=0.7, momentum=0.5), model, CPU)
    assert (rmsprop.defaults["alpha"], rmsprop.defaults["momentum"]) == (0.7, 0.5)
    lamb = build_optimizer(OptimizerConfig(name="lamb", beta1=0.7), model, CPU)
    assert (lamb.defaults["betas"], lamb.defaults["max_grad_norm"]) == ((0.7, 0.999), None)
    sgd = build_optimizer(OptimizerConfig(nesterov=True, momentum=0.6), model, CPU)
    assert (sgd.defaults["nesterov"], sgd.defaults["momentum"]) == (True, 0.6)
