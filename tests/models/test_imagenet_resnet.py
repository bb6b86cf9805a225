"""ImageNet ResNets: published sizes, the stem, basic blocks in bottlenecks, and timm's own start."""

from __future__ import annotations

import pytest
import torch
from model_pairs import CLASSES, config_for, empty_pair, randomise, shape_map, shape_model
from torch import nn
from torch.nn import functional

from seekcli.errors import BadInput
from seekcli.method.pair import StateTransfer
from seekcli.method.weights_map import tensors_of
from seekcli.models.pairs import build_model, build_pair


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet18", 11.69), ("resnet34", 21.80), ("resnet50", 25.56), ("resnet101", 44.55), ("resnet152", 60.19)],
)
def test_resnets_have_the_published_number_of_parameters(name, millions):
    count = sum(parameter.numel() for parameter in shape_model(name, 224, 1000).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(("image_size", "small"), [(32, True), (63, True), (64, False), (224, False)])
def test_below_64_pixels_the_stem_is_a_3x3_convolution_without_pooling(image_size, small):
    model = shape_model("resnet18", image_size)
    assert model.conv1.kernel_size == ((3, 3) if small else (7, 7))
    assert model.conv1.stride == ((1, 1) if small else (2, 2))
    assert isinstance(model.maxpool, nn.Identity if small else nn.MaxPool2d)
    assert model.conv1.weight.shape == (64, 3, *model.conv1.kernel_size)


@pytest.mark.parametrize(
    ("name", "image_size"),
    [
        ("resnet18", 32),
        *(pytest.param(*slow, marks=pytest.mark.slow) for slow in (("resnet50", 32), ("resnet18", 224))),
    ],
)
def test_one_training_step_reaches_every_parameter(name, image_size):
    model = build_model(name, 5, 3, image_size)
    logits = model(torch.randn(2, 3, image_size, image_size))
    assert logits.shape == (2, 5)
    functional.cross_entropy(logits, torch.tensor([0, 4])).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def regions(weights_map, name):
    (link,) = [link for link in weights_map.links if link.base == name]
    return link.motivated, link.base_region, link.motivated_region


def whole(*sizes):
    return tuple((0, size) for size in sizes)


@pytest.mark.parametrize(
    ("base", "motivated", "base_region", "motivated_region"),
    [
        ("conv1.weight", "conv1.weight", whole(64, 3, 3, 3), whole(64, 3, 3, 3)),
        ("bn1.running_var", "bn1.running_var", whole(64), whole(64)),
        # The 3x3 convolution of a block becomes the bottleneck's 3x3 one, the second its last 1x1: the centre tap.
        ("layer1.0.conv1.weight", "layer1.0.conv2.weight", whole(64, 64, 3, 3), whole(64, 64, 3, 3)),
        ("layer1.0.bn1.weight", "layer1.0.bn2.weight", whole(64), whole(64)),
        ("layer1.0.conv2.weight", "layer1.0.conv3.weight", (*whole(64, 64), (1, 2), (1, 2)), whole(64, 64, 1, 1)),
        ("layer1.0.bn2.running_mean", "layer1.0.bn3.running_mean", whole(64), whole(64)),
        # Last block to last block.
        ("layer1.1.conv1.weight", "layer1.2.conv2.weight", whole(64, 64, 3, 3), whole(64, 64, 3, 3)),
        ("layer3.1.bn2.bias", "layer3.5.bn3.bias", whole(256), whole(256)),
        ("layer2.0.conv1.weight", "layer2.0.conv2.weight", whole(128, 64, 3, 3), whole(128, 64, 3, 3)),
        ("layer2.0.downsample.0.weight", "layer2.0.downsample.0.weight", whole(128, 64, 1, 1), whole(128, 64, 1, 1)),
        ("layer4.1.bn2.num_batches_tracked", "layer4.2.bn3.num_batches_tracked", (), ()),
        ("fc.weight", "fc.weight", whole(CLASSES, 512), whole(CLASSES, 512)),
        ("fc.bias", "fc.bias", whole(CLASSES), whole(CLASSES)),
    ],
)
def test_resnet18_lies_in_resnet50_by_these_regions(base, motivated, base_region, motivated_region):
    assert regions(shape_map("resnet18-to-50"), base) == (motivated, base_region, motivated_region)


def test_resnet18_in_resnet50_covers_about_half_by_losing_eight_taps_of_nine_in_each_second_convolution():
    weights_map = shape_map("resnet18-to-50")
    second = sum(2 * 9 * width**2 for width in (64, 128, 256, 512))
    elements = sum(tensor.numel() for tensor in shape_model("resnet18").state_dict().values())
    print(f"resnet18-to-50 at 32 px covers {weights_map.coverage:.4f}")
    assert weights_map.coverage == pytest.approx(1 - second * 8 / 9 / elements, abs=1e-12)
    assert weights_map.coverage == pytest.approx(0.5, abs=0.05)
    assert weights_map.unlinked == ()


def test_copying_resnet18_into_resnet50_takes_the_centre_tap():
    pair = empty_pair("resnet18-to-50")
    randomise(pair.base, 0)
    randomise(pair.motivated, 1)
    before = pair.motivated.layer2[3].conv3.weight.clone()
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    given, taken = pair.base.layer2[1].conv2.weight, pair.motivated.layer2[3].conv3.weight
    assert torch.equal(taken[:128, :, 0, 0], given[:, :, 1, 1])
    assert torch.equal(taken[128:], before[128:])


@pytest.mark.parametrize("init", ["paper", pytest.param("timm", marks=pytest.mark.slow)])
def test_a_partial_map_allows_the_starts_that_need_no_identity(init):
    assert not build_pair(config_for("resnet18", "resnet50", init)).weights_map.full


def test_a_partial_map_refuses_the_identity_start_in_one_line():
    with pytest.raises(BadInput, match=r"--init identity is impossible for resnet18-to-50: .*use --init paper"):
        build_pair(config_for("resnet18", "resnet50", "identity"))


@pytest.mark.slow
def test_paper_does_not_zero_the_last_scales_and_timm_does_in_what_the_base_does_not_hold():
    last = "layer1.1.bn2.weight"  # of an added block
    pairs = {init: build_pair(config_for("resnet18", "resnet34", init)) for init in ("paper", "timm", "identity")}
    assert (tensors_of(pairs["paper"].motivated)[last] == 1).all()
    assert (tensors_of(pairs["timm"].motivated)[last] == 0).all()
    for pair in pairs.values():
        StateTransfer(pair, {}, {}).refresh(fresh=True)
        assert (tensors_of(pair.motivated)["layer1.0.bn2.weight"] == 1).all()
        assert (tensors_of(pair.base)["layer1.0.bn2.weight"] == 1).all()
    # A full map of ResNets: shifts start at zero, so timm's start and the identity start are one and the same.
    identity = tensors_of(pairs["identity"].motivated)
    assert all(torch.equal(tensor, identity[name]) for name, tensor in tensors_of(pairs["timm"].motivated).items())
    assert any(not torch.equal(t, identity[name]) for name, t in tensors_of(pairs["paper"].motivated).items())


def test_timms_start_of_a_partly_contained_pair_zeroes_the_channels_beyond_the_base():
    pair = build_pair(config_for("resnet18", "resnet50", "timm"))
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    scale = pair.motivated.layer1[0].bn3.weight
    assert (scale[:64] == 1).all()
    assert (scale[64:] == 0).all()
