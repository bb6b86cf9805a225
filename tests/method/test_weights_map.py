"""Weights maps: block alignment, regions, and what a map refuses."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from seekcli.method.weights_map import Link, WeightsMap, align_blocks, build_map, fused, leading, tensors_of, view
from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.families.cifar_resnet import STAGES

DEPTH_PAIRS = [(8, 14), (8, 20), (14, 20), (20, 32)]


def depth_map(base, motivated):
    return build_map(base, motivated, stages=STAGES, alignment="last-to-last")


@pytest.mark.parametrize(
    ("base", "motivated", "expected"),
    [(1, 3, {0: 0}), (1, 1, {0: 0}), (2, 3, {0: 0, 1: 2}), (3, 5, {0: 0, 1: 1, 2: 4}), (3, 3, {0: 0, 1: 1, 2: 2})],
)
def test_last_base_block_goes_to_the_last_motivated_block(base, motivated, expected):
    assert align_blocks(base, motivated, "last-to-last") == expected


def test_first_alignment_and_a_base_stage_that_is_deeper():
    assert align_blocks(2, 4, "first") == {0: 0, 1: 1}
    with pytest.raises(ValueError, match="does not fit"):
        align_blocks(3, 2, "first")


@pytest.mark.parametrize(("small", "large"), DEPTH_PAIRS)
def test_the_depth_map_links_every_base_tensor_whole_buffers_included(small, large):
    weights_map = depth_map(CifarResNet(small, 10), CifarResNet(large, 10))
    assert weights_map.full
    assert weights_map.coverage == 1.0
    assert weights_map.unlinked == ()
    by_base = {link.base: link.motivated for link in weights_map.links}
    assert by_base["conv1.weight"] == "conv1.weight"
    assert by_base["fc.bias"] == "fc.bias"
    assert by_base["bn1.num_batches_tracked"] == "bn1.num_batches_tracked"
    last_base, last_motivated = (small - 2) // 6 - 1, (large - 2) // 6 - 1
    if last_base == 0:
        assert by_base["layer2.0.shortcut.0.weight"] == "layer2.0.shortcut.0.weight"
        assert by_base["layer3.0.bn2.running_var"] == "layer3.0.bn2.running_var"
    else:
        assert by_base[f"layer3.{last_base}.bn2.running_var"] == f"layer3.{last_motivated}.bn2.running_var"


class Shuffled(nn.Module):
    """The same tensors under the same names, registered in another order."""

    def __init__(self, module: nn.Module, seed: int) -> None:
        super().__init__()
        self.entries = list(module.state_dict().items())
        random.Random(seed).shuffle(self.entries)

    def state_dict(self, *args, **kwargs):
        return dict(self.entries)


def test_permuting_the_order_of_parameters_changes_nothing():
    base, motivated = CifarResNet(14, 10), CifarResNet(20, 10)
    plain = depth_map(base, motivated)
    shuffled = depth_map(Shuffled(base, 1), Shuffled(motivated, 2))
    assert {*plain.links} == {*shuffled.links}


@given(st.data())
def test_leading_regions_are_leading_in_channels_and_centred_in_kernels(data):
    small = [data.draw(st.integers(1, 6)) for _ in range(2)]
    large = [size + data.draw(st.integers(0, 4)) for size in small]
    kernel = data.draw(st.sampled_from([1, 3]))
    base, motivated = (*small, kernel, kernel), (*large, 3, 3)
    ((base_region, motivated_region),) = leading("w", base, motivated)
    big = torch.arange(large[0] * large[1] * 9).reshape(motivated)
    taken = view(big, motivated_region)
    offset = (3 - kernel) // 2
    expected = big[: small[0], : small[1], offset : offset + kernel, offset : offset + kernel]
    assert torch.equal(taken, expected)
    assert base_region == tuple((0, size) for size in base)


def test_partial_overlap_takes_the_centre_tap_of_the_larger_kernel():
    ((base_region, motivated_region),) = leading("w", (8, 8, 3, 3), (16, 4, 1, 1))
    assert base_region == ((0, 8), (0, 4), (1, 2), (1, 2))
    assert motivated_region == ((0, 8), (0, 4), (0, 1), (0, 1))


def test_fused_projections_are_sliced_each_on_its_own():
    base, motivated = torch.arange(6 * 2).reshape(6, 2), torch.zeros(12, 4, dtype=torch.long)
    for base_region, motivated_region in fused(3, r"qkv")("blocks.0.attn.qkv.weight", (6, 2), (12, 4)):
        view(motivated, motivated_region).copy_(view(base, base_region))
    for part in range(3):
        assert torch.equal(motivated[4 * part : 4 * part + 2, :2], base[2 * part : 2 * part + 2])
    assert motivated.count_nonzero() == base.count_nonzero()
    assert len(fused(3, r"qkv")("mlp.weight", (6, 2), (12, 4))) == 1


def test_views_share_memory_with_the_module():
    model = CifarResNet(8, 10)
    view(tensors_of(model)["fc.weight"], ((0, 2), (0, 3))).fill_(7.0)
    assert (model.fc.weight[:2, :3] == 7).all()


SHAPES = {"w": (4, 4)}


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([], "coverage is 0"),
        ([Link("w", "w", ((0, 5), (0, 4)), ((0, 5), (0, 4)))], "outside"),
        ([Link("v", "w", ((0, 4), (0, 4)), ((0, 4), (0, 4)))], "does not have"),
        ([Link("w", "w", ((0, 2), (0, 4)), ((0, 3), (0, 4)))], "differ in size"),
        (
            [Link("w", "w", ((0, 2), (0, 4)), ((0, 2), (0, 4))), Link("w", "w", ((1, 3), (0, 4)), ((2, 4), (0, 4)))],
            "overlap",
        ),
        (
            [Link("w", "w", ((0, 2), (0, 4)), ((0, 2), (0, 4))), Link("w", "w", ((2, 4), (0, 4)), ((1, 3), (0, 4)))],
            "overlap",
        ),
        ([Link("w", "w", ((0, 0), (0, 4)), ((0, 0), (0, 4)))], "outside"),
    ],
)
def test_a_bad_map_is_refused_when_it_is_built(links, message):
    with pytest.raises(ValueError, match=message):
        WeightsMap(tuple(links), SHAPES, SHAPES)


def test_coverage_counts_elements():
    half = WeightsMap((Link("w", "w", ((0, 2), (0, 4)), ((1, 3), (0, 4))),), SHAPES, SHAPES)
    assert half.coverage == 0.5
    assert not half.full
