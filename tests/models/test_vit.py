"""Vision transformers: published sizes, patches, heads that stay heads, the repeated residual stream."""

from __future__ import annotations

import pytest
import torch
from model_pairs import CLASSES, config_for, empty_pair, randomise, relative_error, shape_map, shape_model
from torch import nn
from torch.nn import functional

from seekcli.errors import BadInput
from seekcli.method.pair import Pair, StateTransfer
from seekcli.models.families.vit import FAMILY
from seekcli.models.pairs import build_model, build_pair

WIDTHS = {"vit-tiny": 192, "vit-small": 384, "vit-base": 768}


@pytest.mark.parametrize(("name", "millions"), [("vit-tiny", 5.72), ("vit-small", 22.05), ("vit-base", 86.57)])
def test_transformers_have_the_published_number_of_parameters(name, millions):
    model = shape_model(name, 224, 1000)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert len(model.blocks) == 12
    assert model.embed_dim == WIDTHS[name]
    assert {block.attn.head_dim for block in model.blocks} == {64}


@pytest.mark.parametrize(("image_size", "patch"), [(8, 2), (32, 4), (64, 8), (224, 16)])
def test_the_patch_follows_the_image_size(image_size, patch):
    model = shape_model("vit-tiny", image_size)
    assert model.patch_embed.proj.kernel_size == (patch, patch)
    assert model.pos_embed.shape == (1, (image_size // patch) ** 2 + 1, 192)


def test_an_image_that_the_patch_does_not_divide_is_bad_input():
    with pytest.raises(BadInput, match=r"--image-size 30 .* use 28 or 32"):
        build_model("vit-tiny", CLASSES, 3, 30)


@pytest.mark.parametrize(("image_size", "channels"), [(32, 3), (8, 1), pytest.param(224, 3, marks=pytest.mark.slow)])
def test_one_training_step_reaches_every_parameter(image_size, channels):
    model = build_model("vit-tiny", 5, channels, image_size)
    logits = model(torch.randn(2, channels, image_size, image_size))
    assert logits.shape == (2, 5)
    functional.cross_entropy(logits, torch.tensor([0, 4])).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def heads_of(model, block, stream):
    """[B, tokens, D] -> queries, keys and values of a block, each [B, heads, tokens, 64]."""
    batch, tokens, _ = stream.shape
    fused = model.blocks[block].attn.qkv(stream)
    return fused.reshape(batch, tokens, 3, -1, 64).permute(2, 0, 3, 1, 4).unbind(0)


@pytest.fixture(params=["aligned", "leading"])
def copied(request):
    """Heads of both models after a copy: of a stream of the base's width, and of that padded with zeros."""
    pair = empty_pair("vit-tiny-to-small", map_name=request.param)
    randomise(pair.base, 0)
    randomise(pair.motivated, 1)
    StateTransfer(pair, {}, {}).refresh(fresh=False)
    stream = torch.randn(2, 5, 192)
    small = heads_of(pair.base, 3, stream)
    large = heads_of(pair.motivated, 3, functional.pad(stream, (0, 192)))
    return request.param, small, large


def close(one, other):
    return torch.allclose(one, other, atol=1e-4)


def test_base_heads_become_the_first_motivated_heads_under_aligned_alone(copied):
    map_name, small, large = copied
    (q, k, v), (wide_q, wide_k, wide_v) = small, large
    assert q.shape[1] == 3
    assert wide_q.shape[1] == 6
    assert close(wide_q[:, :3], q)
    attention = (functional.scaled_dot_product_attention(*each) for each in (small, [t[:, :3] for t in large]))
    if map_name == "aligned":
        assert close(wide_k[:, :3], k)
        assert close(wide_v[:, :3], v)
        assert close(*attention)
    else:
        # Taken literally, "the first rows" puts keys among the queries and values among the keys.
        assert close(wide_q[:, 3:], k)
        assert close(wide_k[:, :3], v)
        assert not close(*attention)


def test_both_maps_hold_the_whole_base():
    assert shape_map("vit-tiny-to-small", "leading").full
    assert shape_map("vit-tiny-to-small").full


def test_the_identity_start_needs_the_aligned_map():
    with pytest.raises(BadInput, match=r"--map leading .*use --init paper"):
        build_pair(config_for("vit-tiny", "vit-small", "identity", map_name="leading"))


def test_the_identity_start_repeats_the_stream_and_lets_nothing_read_the_repetition():
    pair = empty_pair("vit-tiny-to-small")
    randomise(pair.base, 0)
    randomise(pair.motivated, 1)
    StateTransfer(FAMILY.identity(pair), {}, {}).up(fresh=True)
    small, large, block = pair.base, pair.motivated, pair.motivated.blocks[5]
    for name, dimension in (("cls_token", 2), ("pos_embed", 2), ("patch_embed.proj.weight", 0)):
        given = small.get_parameter(name)
        assert torch.equal(large.get_parameter(name), torch.cat([given, given], dim=dimension))
    assert torch.equal(block.mlp.fc2.bias, small.blocks[5].mlp.fc2.bias.repeat(2))
    for reader in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2, large.head):
        assert reader.weight[:, : reader.in_features // 2].any()
        assert not reader.weight[:, reader.in_features // 2 :].any()


def test_plain_zeros_would_not_be_an_identity():
    """Why the stream is repeated: LayerNorm runs over the wider vector."""
    pair = empty_pair("vit-tiny-to-small", 8)
    for seed, model in enumerate((pair.base, pair.motivated)):
        randomise(model, seed)
        model.eval()
    images = torch.randn(4, 3, 8, 8)

    @torch.no_grad()
    def silence(model):
        FAMILY.identity(pair).after_copy_up(model)
        for tensor in (model.cls_token, model.pos_embed):
            tensor[..., 192:] = 0
        for writer in [model.patch_embed.proj, *(each for b in model.blocks for each in (b.attn.proj, b.mlp.fc2))]:
            writer.weight[192:] = 0
            writer.bias[192:] = 0

    StateTransfer(Pair(pair.base, pair.motivated, pair.weights_map, after_copy_up=silence), {}, {}).up(fresh=True)
    assert relative_error(pair, images) > 0.05


def test_a_width_that_is_no_multiple_has_no_identity_start():
    narrow, wide = nn.Module(), nn.Module()
    narrow.embed_dim, wide.embed_dim = 192, 256
    pair = Pair(narrow, wide, empty_pair("vit-tiny-to-small").weights_map)
    with pytest.raises(ValueError, match="256 is none of 192"):
        FAMILY.identity(pair)
