"""Pairs by name, seeded weights, and the identity start."""

from __future__ import annotations

import pytest
import torch

from seekcli.config import RunConfig, merge
from seekcli.errors import BadInput
from seekcli.method.pair import Carrier
from seekcli.models.catalog import pair_names, parse_pair
from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.pairs import build_models, build_pair


def config_for(base, motivated, init="identity", seed=0, schedule="alternating") -> RunConfig:
    settings = {
        "pair.base": base,
        "pair.motivated": motivated,
        "pair.init": init,
        "seed": seed,
        "schedule": schedule,
        "data.classes": 10,
        "data.channels": 3,
        "data.image_size": 16,
    }
    return merge([("test", settings)]).config


@pytest.mark.parametrize(
    ("depth", "parameters"), [(20, 0.27e6), (32, 0.46e6), (44, 0.66e6), (56, 0.85e6), (110, 1.7e6)]
)
def test_cifar_resnets_have_the_published_number_of_parameters(depth, parameters):
    # He et al. 2016, table 6, with identity shortcuts; 1x1 projections add about 0.003M.
    count = sum(parameter.numel() for parameter in CifarResNet(depth, 10).parameters())
    assert count == pytest.approx(parameters, rel=0.02)


def test_every_shipped_pair_parses_back_to_its_models():
    for name in pair_names():
        base, motivated = parse_pair(name)
        assert name.startswith(f"{base}-to-")
        assert base != motivated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet32-to-20", "did you mean 'resnet20-to-32'"),
        ("resnet20-to-20", "two different models"),
        ("resnet20-to-33", "did you mean 'resnet20-to-32'"),
        ("resnet20", "unknown pair"),
        ("resnet-20-to-32", "did you mean 'resnet20-to-32'"),
    ],
)
def test_a_name_that_is_no_pair_is_refused_with_the_nearest(text, message):
    with pytest.raises(BadInput, match=message):
        parse_pair(text)


@pytest.mark.parametrize(
    ("base", "motivated"), [("resnet8", "resnet14"), ("resnet14", "resnet20"), ("resnet20", "resnet32")]
)
def test_identity_start_gives_equal_logits_after_the_first_copy(base, motivated):
    pair = build_pair(config_for(base, motivated))
    Carrier(pair, {}, {}).refresh(fresh=True)
    images = torch.randn(8, 3, 16, 16)
    for mode in (True, False):
        pair.base.train(mode)
        pair.motivated.train(mode)
        with torch.no_grad():
            assert torch.allclose(pair.base(images), pair.motivated(images), atol=1e-5)


def test_paper_start_leaves_the_added_blocks_as_they_are_initialised():
    pair = build_pair(config_for("resnet14", "resnet20", init="paper"))
    assert (pair.motivated.layer1[1].bn2.weight == 1).all()
    Carrier(pair, {}, {}).refresh(fresh=True)
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
