"""Weights into a fresh model: all but the head arrives, what the image decides is fitted, the rest is refused."""

from __future__ import annotations

import pytest
import torch

from seekcli.config.layers import Resolved
from seekcli.errors import BadInput
from seekcli.models.catalog import FAMILIES
from seekcli.models.pairs import build_model, build_pair, seeded_model
from seekcli.models.transplant import SourceWeights, is_head, transplant
from seekcli.resolve.resolve import resolve

SMALLEST = {"cifar-resnet": "resnet8", "resnet": "resnet18", "vit": "vit-tiny", "efficientnet": "efficientnet-b0"}


def state(name: str, seed: int = 1, classes: int = 10, channels: int = 3, image_size: int = 32):
    return seeded_model(name, seed, classes, channels, image_size).state_dict()


def pair_config(base: str, motivated: str, **more: object) -> Resolved:
    settings = {"pair.base": base, "pair.motivated": motivated, "data.name": "synthetic:3x32x32:4:40"}
    return resolve([("test", settings | {"runtime.device": "cpu"} | more)])


def test_every_family_says_what_its_head_is() -> None:
    assert FAMILIES.keys() == {*SMALLEST, "gpt"}  # whose embedding knows the vocabulary too: it takes equal ones alone


@pytest.mark.parametrize("name", SMALLEST.values())
def test_all_but_the_head_arrives_and_the_head_is_the_models_own(name: str) -> None:
    given = state(name, classes=10)
    model = seeded_model(name, 0, 4, 3, 32)
    fresh = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    transplant(model, name, given, "source")
    heads = 0
    for key, tensor in model.state_dict().items():
        heads += is_head(name, key)
        assert torch.equal(tensor, fresh[key] if is_head(name, key) else given[key]), key
    assert heads == 2


def test_equal_class_counts_get_a_new_head_as_well() -> None:
    given = state("resnet8", classes=4)
    model = seeded_model("resnet8", 0, 4, 3, 32)
    transplant(model, "resnet8", given, "source")
    assert not torch.equal(model.state_dict()["fc.weight"], given["fc.weight"])


def test_position_embeddings_are_interpolated_to_the_new_grid() -> None:
    given = state("vit-tiny", image_size=32)
    # Constant over the grid, so that any interpolation gives the constant, and another one for the class token.
    given["pos_embed"][:, 1:], given["pos_embed"][:, :1] = 0.25, -1.0
    model = build_model("vit-tiny", 4, 3, 48)
    transplant(model, "vit-tiny", given, "source")
    found = model.state_dict()["pos_embed"]
    assert found.shape[1] == 1 + 12 * 12
    assert torch.equal(found[:, :1], given["pos_embed"][:, :1])
    assert torch.allclose(found[:, 1:], torch.tensor(0.25), atol=1e-5)


@pytest.mark.parametrize("name", SMALLEST.values())
def test_three_channels_become_one_that_sees_the_same_grey(name: str) -> None:
    """A grey picture as three equal channels and as one channel give the same logits."""
    source = build_model(name, 4, 3, 32).eval()
    model = build_model(name, 4, 1, 32).eval()
    tensors = source.state_dict()
    transplant(model, name, tensors, "source")
    model.load_state_dict({key: tensor for key, tensor in tensors.items() if is_head(name, key)}, strict=False)
    grey = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(model(grey), source(grey.expand(-1, 3, -1, -1)), atol=1e-4)


def test_a_count_of_seen_batches_that_older_files_lack_is_no_obstacle() -> None:
    given = {key: tensor for key, tensor in state("resnet18").items() if not key.endswith("num_batches_tracked")}
    transplant(build_model("resnet18", 4, 3, 32), "resnet18", given, "source")


@pytest.mark.parametrize(
    ("name", "given", "own", "words"),
    [
        ("resnet18", {"image_size": 64}, {"image_size": 32}, ["7x7 stem", "3x3", "--image-size 64 or more"]),
        pytest.param(
            *("resnet18", {"image_size": 32}, {"image_size": 64}, ["3x3 stem", "7x7", "--image-size below 64"]),
            marks=pytest.mark.slow,
        ),
        ("vit-tiny", {"image_size": 128}, {"image_size": 32}, ["patches of 16 px", "4 px", "--image-size 128 or more"]),
        pytest.param(
            *("vit-tiny", {"image_size": 64}, {"image_size": 32}, ["patches of 8 px", "--image-size 64 to 120"]),
            marks=pytest.mark.slow,
        ),
        ("resnet8", {"channels": 1}, {"channels": 3}, ["1 channels", "3", "only weights for 3 channels"]),
    ],
)
def test_what_another_image_made_another_thing_is_refused(name: str, given, own, words) -> None:
    model = build_model(name, **({"classes": 4, "channels": 3, "image_size": 32} | own))
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(BadInput) as caught:
        transplant(model, name, state(name, **given), "--init-from X")
    assert str(caught.value).startswith("--init-from X has" if "channels" not in given else "--init-from X takes")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def test_tensors_of_another_model_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"does not fit resnet8: layer1\.1.* is not in resnet8"):
        transplant(build_model("resnet8", 4, 3, 32), "resnet8", state("resnet14"), "X")
    with pytest.raises(BadInput, match="is missing from it"):
        transplant(build_model("resnet14", 4, 3, 32), "resnet14", state("resnet8"), "X")
    with pytest.raises(
        BadInput, match=r"does not fit vit-small: blocks\.0\.attn\.proj\.bias is \(192,\), not \(384,\)"
    ):
        transplant(build_model("vit-small", 4, 3, 32), "vit-small", state("vit-tiny"), "X")


PAIRS = [("resnet8", "resnet14"), ("resnet18", "resnet34"), ("vit-tiny", "vit-small"),
         ("efficientnet-b0", "efficientnet-b1")]  # fmt: skip
# A pair that differs in depth, and one that differs in width; of the others the tests take a second each.
STARTED = (("resnet18", "base"), ("efficientnet-b0", "base"))


@pytest.mark.parametrize(
    ("base", "motivated"),
    [pytest.param(*pair, marks=() if pair[0] == "resnet8" else pytest.mark.slow) for pair in PAIRS],
)
def test_a_base_without_weights_is_carved_out_of_the_motivated_model(base: str, motivated: str) -> None:
    config = pair_config(base, motivated, **{"pair.init": "paper"}).config
    config = config.model_copy(update={"pair": config.pair.model_copy(update={"init": "source"})})
    given = state(motivated)
    pair = build_pair(config, SourceWeights("X", {motivated: given}))
    plain = build_pair(config)
    large, small = pair.motivated.state_dict(), pair.base.state_dict()
    assert all(torch.equal(tensor, given[key]) for key, tensor in large.items() if not is_head(motivated, key))
    for key, tensor in plain.base.state_dict().items():
        if is_head(base, key):
            assert torch.equal(small[key], tensor), key
    for link in pair.weights_map.links:
        if not is_head(base, link.base):
            rows = [slice(*part) for part in link.base_region], [slice(*part) for part in link.motivated_region]
            assert torch.equal(small[link.base][tuple(rows[0])], given[link.motivated][tuple(rows[1])]), link.base


@pytest.mark.parametrize(
    ("base", "motivated", "role"),
    [
        pytest.param(*pair, role, marks=() if pair[0] == "resnet8" or (pair[0], role) in STARTED else pytest.mark.slow)
        for pair in PAIRS
        for role in ("base", "motivated")
    ],
)
def test_an_identity_start_stays_one_with_weights_from_elsewhere(base: str, motivated: str, role: str) -> None:
    """After the first copy the motivated model computes what the base computes, new heads included."""
    from seekcli.method.pair import StateTransfer

    name = {"base": base, "motivated": motivated}[role]
    config = pair_config(base, motivated, **{"pair.init": "identity"}).config
    pair = build_pair(config, SourceWeights("X", {name: state(name)}))
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        small, large = pair.base.eval()(images), pair.motivated.eval()(images)
    # Relative: an untrained EfficientNet has logits of 1e-5.
    assert (small - large).abs().max() < 1e-3 * small.abs().max()
