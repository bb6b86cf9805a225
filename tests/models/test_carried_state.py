"""Optimizer state across a switch in every family: regions for what is per element, once and whole for counters."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from seekcli.config.pair_settings import PairConfig
from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import shapes_of, tensors_of, view
from seekcli.models.families.vit import FAMILY
from seekcli.models.pairs import build_model, link_models
from seekcli.train.optimizers import optimizer_state

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 1e-3),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, 1e-3, momentum=0.9, centered=True),
}


def small_transformer(width, heads):
    return VisionTransformer(
        img_size=8, patch_size=4, embed_dim=width, depth=2, num_heads=heads, num_classes=3, in_chans=3
    )


def transformers():
    """ViTs of width 12 and 24 with heads of 4 channels: the shape of tiny and small, in little."""
    base, motivated = small_transformer(12, 3), small_transformer(24, 6)
    return Pair(base, motivated, FAMILY.link(shapes_of(base), shapes_of(motivated), "aligned"))


def resnets():
    models = {"base": build_model("resnet8", 3, 3, 8), "motivated": build_model("resnet14", 3, 3, 8)}
    return Pair(
        models["base"], models["motivated"], link_models(PairConfig(base="resnet8", motivated="resnet14"), models)
    )


def stepped(model, make_optimizer, steps):
    """The state that an optimizer has after some steps, by parameter name."""
    optimizer = make_optimizer(model.parameters())
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return optimizer_state(optimizer, model)


@pytest.mark.parametrize("make_pair", [transformers, resnets])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_follows_the_regions_and_counters_go_whole(name, make_pair):
    pair = make_pair()
    small, large = stepped(pair.base, OPTIMIZERS[name], 3), stepped(pair.motivated, OPTIMIZERS[name], 1)
    before = {key: {k: t.clone() for k, t in state.items()} for key, state in large.items()}
    StateTransfer(pair, small, large).up(fresh=False)
    for link in pair.weights_map.links:
        for key, tensor in small.get(link.base, {}).items():
            taken = large[link.motivated][key]
            if key == "step":
                assert taken.item() == tensor.item() == 3
            else:
                assert torch.equal(view(taken, link.motivated_region), view(tensor, link.base_region))
    assert_the_rest_is_untouched(pair, large, before)


def assert_the_rest_is_untouched(pair, large, before):
    for name, state in large.items():
        untouched = torch.ones(pair.weights_map.motivated_shapes[name], dtype=torch.bool)
        for link in pair.weights_map.links:
            if link.motivated == name:
                view(untouched, link.motivated_region).fill_(False)
        for key, tensor in state.items():
            if key != "step":
                assert torch.equal(tensor[untouched], before[name][key][untouched])
            elif name not in pair.weights_map.receivers:
                assert tensor.item() == 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_up_and_down_gives_the_base_its_state_back(name):
    pair = transformers()
    small, large = stepped(pair.base, OPTIMIZERS[name], 3), stepped(pair.motivated, OPTIMIZERS[name], 1)
    before = {key: {k: t.clone() for k, t in state.items()} for key, state in small.items()}
    state_transfer = StateTransfer(pair, small, large)
    state_transfer.up(fresh=False)
    for state in small.values():
        for tensor in state.values():
            tensor.fill_(-1)
    state_transfer.down()
    for parameter, state in small.items():
        assert all(torch.equal(tensor, before[parameter][key]) for key, tensor in state.items())


@pytest.mark.parametrize(("map_name", "links"), [("aligned", 3), ("leading", 1)])
def test_a_fused_projection_has_its_counter_copied_once(map_name, links):
    pair = transformers()
    pair = Pair(pair.base, pair.motivated, FAMILY.link(shapes_of(pair.base), shapes_of(pair.motivated), map_name))
    fused = [link for link in pair.weights_map.links if link.base == "blocks.0.attn.qkv.weight"]
    assert len(fused) == links
    small = stepped(pair.base, OPTIMIZERS["adamw"], 3)
    copied = StateTransfer(pair, small, stepped(pair.motivated, OPTIMIZERS["adamw"], 1)).up(fresh=False)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(pair.base).values())
    moments = sum(8 * parameter.numel() + 4 for parameter in pair.base.parameters())
    assert copied == weights + moments
