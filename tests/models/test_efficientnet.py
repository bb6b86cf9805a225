"""EfficientNet: published sizes, the drop rates of its paper, leading slices along two dimensions."""

from __future__ import annotations

import random

import numpy
import pytest
import torch
from model_pairs import empty_pair, randomise, shape_map, shape_model
from timm.layers import DropPath
from torch.nn import functional

from seekcli.method.pair import StateTransfer
from seekcli.models.families.efficientnet import FAMILY
from seekcli.models.pairs import build_model, seeded_model

MILLIONS = (5.29, 7.79, 9.11, 12.23, 19.34, 30.39, 43.04, 66.35)
# Tan and Le 2019, section 5.2, and the authors' published settings: dropout 0.2 (B0) to 0.5 (B7), survival 0.8.
DROPOUT = (0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)


@pytest.mark.parametrize(
    "index", [pytest.param(index, marks=() if index in (0, 1) else pytest.mark.slow) for index in range(8)]
)
def test_efficientnets_have_the_published_size_and_drop_rates(index):
    model = shape_model(f"efficientnet-b{index}", 32, 1000)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(MILLIONS[index], abs=0.005)
    assert model.drop_rate == DROPOUT[index]
    blocks = [block for stage in model.blocks for block in stage]
    for position, block in enumerate(blocks):
        rate = 0.2 * position / len(blocks)
        assert (block.drop_path.drop_prob if isinstance(block.drop_path, DropPath) else 0.0) == pytest.approx(rate)


@pytest.mark.parametrize(("image_size", "channels"), [(32, 3), (8, 1), pytest.param(224, 3, marks=pytest.mark.slow)])
def test_one_training_step_reaches_every_parameter(image_size, channels):
    torch.manual_seed(0)
    model = build_model("efficientnet-b0", 5, channels, image_size)
    logits = model(torch.randn(2, channels, image_size, image_size))
    assert logits.shape == (2, 5)
    functional.cross_entropy(logits, torch.tensor([0, 4])).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.conv_stem.weight.grad.any()


def test_dropout_draws_are_decided_by_torchs_generator_alone():
    model = seeded_model("efficientnet-b0", 0, 5, 3, 32).train()
    images = torch.randn(4, 3, 32, 32)
    drawn = []
    for seed, other_seed in ((1, 1), (1, 2), (3, 1)):
        random.seed(other_seed)
        numpy.random.seed(other_seed)
        torch.manual_seed(seed)
        drawn.append(model(images))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("name", ["conv_stem.weight", "blocks.1.1.conv_pwl.weight", "blocks.2.0.se.conv_reduce.weight"])
def test_width_takes_leading_slices_along_both_channel_dimensions(name):
    weights_map = shape_map("efficientnet-b1-to-b2")
    (link,) = [link for link in weights_map.links if link.base == name]
    assert link.motivated == name
    assert link.motivated_region == link.base_region == tuple((0, size) for size in weights_map.base_shapes[name])


def test_layer_i_of_a_stage_goes_to_layer_i_and_the_added_ones_are_the_last():
    weights_map = shape_map("efficientnet-b0-to-b1")
    added = {name.rpartition(".conv_dw.")[0] for name in weights_map.motivated_shapes if ".conv_dw." in name} - {
        name.rpartition(".conv_dw.")[0] for name in weights_map.receivers if ".conv_dw." in name
    }
    assert added == {"blocks.0.1", "blocks.1.2", "blocks.2.2", "blocks.3.3", "blocks.4.3", "blocks.5.4", "blocks.6.1"}


def test_identity_start_zeroes_what_mapped_channels_read_of_added_ones_and_nothing_else():
    pair = empty_pair("efficientnet-b1-to-b2")
    randomise(pair.base, 0)
    randomise(pair.motivated, 1)
    before = {name: tensor.clone() for name, tensor in pair.motivated.state_dict().items()}
    FAMILY.identity(pair)
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    small, large = pair.base.blocks[2][1].se.conv_reduce.weight, pair.motivated.blocks[2][1].se.conv_reduce.weight
    rows, columns = small.shape[:2]
    assert columns < large.shape[1]
    assert torch.equal(large[:rows, :columns], small)
    assert not large[:rows, columns:].any()
    assert torch.equal(large[rows:], before["blocks.2.1.se.conv_reduce.weight"][rows:])
    features = pair.base.classifier.in_features
    assert not pair.motivated.classifier.weight[:, features:].any()
    depthwise = pair.base.blocks[2][1].conv_dw.weight
    taken = pair.motivated.blocks[2][1].conv_dw.weight
    assert torch.equal(taken[len(depthwise) :], before["blocks.2.1.conv_dw.weight"][len(depthwise) :])
