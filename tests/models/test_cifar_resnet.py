"""CIFAR ResNets: size, shapes, and what their identity start silences."""

from __future__ import annotations

import pytest
import torch
from model_pairs import empty_pair, randomise
from torch.nn import functional

from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.families.cifar_resnet import FAMILY


@pytest.mark.parametrize(
    ("depth", "parameters"), [(20, 0.27e6), (32, 0.46e6), (44, 0.66e6), (56, 0.85e6), (110, 1.7e6)]
)
def test_cifar_resnets_have_the_published_number_of_parameters(depth, parameters):
    # He et al. 2016, table 6, with identity shortcuts; 1x1 projections add about 0.003M.
    count = sum(parameter.numel() for parameter in CifarResNet(depth, 10).parameters())
    assert count == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize("depth", [18, 2, 21])
def test_a_depth_that_is_not_6n_plus_2_is_refused(depth):
    with pytest.raises(ValueError, match=r"6n\+2"):
        CifarResNet(depth, 10)


@pytest.mark.parametrize(("channels", "image_size"), [(3, 32), (1, 8), (3, 224)])
def test_one_training_step_reaches_every_parameter(channels, image_size):
    model = CifarResNet(8, 5, channels)
    logits = model(torch.randn(2, channels, image_size, image_size))
    assert logits.shape == (2, 5)
    functional.cross_entropy(logits, torch.tensor([0, 4])).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_identity_start_silences_the_added_blocks_alone():
    pair = empty_pair("resnet14-to-32")
    randomise(pair.motivated, 0)
    FAMILY.identity(pair)
    # Two blocks in five: the first and the last hold the base's.
    for stage in (pair.motivated.layer1, pair.motivated.layer2, pair.motivated.layer3):
        silent = [not (block.bn2.weight.any() or block.bn2.bias.any()) for block in stage]
        assert silent == [False, True, True, True, False]
