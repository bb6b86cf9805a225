"""Pairs by name, seeded weights, starts, and what cannot be built."""

from __future__ import annotations

import pytest
import torch
from model_pairs import config_for
from torch import nn

from seekcli.config.pair_settings import PairConfig
from seekcli.errors import BadInput
from seekcli.method.pair import StateTransfer
from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.pairs import build_model, build_models, build_pair, link_models, seeded_model


@pytest.mark.parametrize(
    ("base", "motivated"), [("resnet8", "resnet14"), ("resnet14", "resnet20"), ("resnet20", "resnet32")]
)
def test_identity_start_gives_equal_logits_after_the_first_copy(base, motivated):
    pair = build_pair(config_for(base, motivated))
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    images = torch.randn(8, 3, 16, 16)
    for mode in (True, False):
        pair.base.train(mode)
        pair.motivated.train(mode)
        with torch.no_grad():
            assert torch.allclose(pair.base(images), pair.motivated(images), atol=1e-5)


def test_paper_start_leaves_the_added_blocks_as_they_are_initialised():
    pair = build_pair(config_for("resnet14", "resnet20", init="paper"))
    assert (pair.motivated.layer1[1].bn2.weight == 1).all()
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    images = torch.randn(8, 3, 16, 16)
    assert not torch.allclose(pair.base.eval()(images), pair.motivated.eval()(images), atol=1e-2)


def test_all_schedules_of_a_seed_share_starting_weights():
    alternating = build_pair(config_for("resnet14", "resnet20", init="paper"))
    base = build_models(config_for("resnet14", "resnet20", schedule="base"))["base"]
    motivated = build_models(config_for("resnet14", "resnet20", schedule="motivated"))["motivated"]
    other_pair = build_models(config_for("resnet20", "resnet32", schedule="base"))["base"]
    for one, other in ((alternating.base, base), (alternating.motivated, motivated), (motivated, other_pair)):
        other_state = other.state_dict()
        assert all(torch.equal(tensor, other_state[name]) for name, tensor in one.state_dict().items())
    another_seed = build_models(config_for("resnet14", "resnet20", seed=1, schedule="base"))["base"]
    assert not torch.equal(another_seed.conv1.weight, base.conv1.weight)


def test_building_a_model_leaves_torchs_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_pair(config_for("resnet8", "resnet14"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "name",
    ["resnet8", "vit-tiny", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "efficientnet-b0"))],
)
def test_weights_are_decided_by_seed_and_name_alone(name):
    torch.manual_seed(1)
    first = seeded_model(name, 3, 4, 3, 32)
    torch.manual_seed(2)
    again, other = seeded_model(name, 3, 4, 3, 32), seeded_model(name, 4, 4, 3, 32)
    assert all(torch.equal(t, again.state_dict()[key]) for key, t in first.state_dict().items())
    assert any(not torch.equal(t, other.state_dict()[key]) for key, t in first.state_dict().items())


@pytest.mark.parametrize(
    ("base", "motivated", "init", "map_name", "message"),
    [
        ("resnet32", "resnet20", "paper", "aligned", "did you mean 'resnet20-to-32'"),
        ("resnet20", "resnet50", "paper", "aligned", "different families"),
        ("resnet34", "resnet50", "identity", "aligned", "--init identity is impossible for resnet34-to-50"),
        ("vit-tiny", "vit-small", "timm", "aligned", "--init timm"),
        ("resnet20", "resnet32", "paper", "leading", "--map leading"),
        ("vit-tiny", "vit-small", "identity", "leading", "--init identity is impossible for vit-tiny-to-small"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_in_one_line(base, motivated, init, map_name, message):
    with pytest.raises(BadInput, match=message) as refusal:
        build_pair(config_for(base, motivated, init, map_name=map_name))
    assert "\n" not in str(refusal.value)


def test_an_image_size_that_does_not_fit_the_patch_is_refused_when_the_pair_is_built():
    with pytest.raises(BadInput, match="--image-size 18 is no multiple of the patch of vit-tiny"):
        build_pair(config_for("vit-tiny", "vit-small", image_size=18))


def test_models_that_share_nothing_have_no_map():
    models = {"base": nn.Sequential(nn.Linear(2, 2)), "motivated": build_model("efficientnet-b0", 4, 3, 32)}
    with pytest.raises(BadInput, match=r"efficientnet-b0 does not nest .*coverage is 0"):
        link_models(PairConfig(base="efficientnet-b0"), models)


def test_a_motivated_model_with_fewer_blocks_has_no_map():
    with pytest.raises(BadInput, match="a stage of 3 blocks does not fit into one of 2"):
        link_models(PairConfig(base="resnet20"), {"base": CifarResNet(20, 4), "motivated": CifarResNet(14, 4)})
