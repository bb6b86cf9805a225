"""Names, order, and one clear line for what cannot be: without loading torch."""

from __future__ import annotations

import pytest

from seekcli.errors import BadInput
from seekcli.models.catalog import (
    MODELS,
    check_image_size,
    check_pair,
    check_start,
    default_init,
    family_of,
    nests_fully,
    pair_names,
    parse_pair,
)


def test_every_shipped_pair_parses_back_to_its_models():
    for name in pair_names():
        base, motivated = parse_pair(name)
        assert name.startswith(f"{base}-to-")
        assert base != motivated
        check_pair(base, motivated)
    assert parse_pair("resnet20-to-resnet32") == ("resnet20", "resnet32")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet32-to-20", "did you mean 'resnet20-to-32'"),
        ("resnet20-to-20", "two different models"),
        ("resnet20-to-33", "did you mean 'resnet20-to-32'"),
        ("resnet20", "unknown pair"),
        ("resnet-20-to-32", "did you mean 'resnet20-to-32'"),
        ("resnet18-to-51", "did you mean 'resnet18-to-50'"),
        ("vit-tiny-to-large", "did you mean 'vit-tiny-to-small'|did you mean 'vit-tiny-to-base'"),
        ("efficientnet-b0-b1", "did you mean 'efficientnet-b0-to-b1'"),
        ("vit-base-to-tiny", "did you mean 'vit-tiny-to-base'"),
        ("resnet18-to-32", "different families and do not nest; resnet18 nests in resnet34, resnet50"),
    ],
)
def test_a_name_that_is_no_pair_is_refused_with_the_nearest(text, message):
    with pytest.raises(BadInput, match=message) as refusal:
        parse_pair(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("base", "motivated", "message"),
    [
        ("vit-tiny", "resnet50", "vit-tiny nests in vit-small, vit-base"),
        ("resnet110", "resnet50", "do not nest$"),
        ("efficientnet-b3", "efficientnet-b1", "did you mean 'efficientnet-b1-to-b3'"),
        ("resnet21", "resnet32", "unknown base model 'resnet21'; did you mean 'resnet20'|'resnet152'"),
        ("resnet20", "vit-smal", "unknown motivated model 'vit-smal'; did you mean 'vit-small'"),
    ],
)
def test_models_that_do_not_nest_are_refused(base, motivated, message):
    with pytest.raises(BadInput, match=message):
        check_pair(base, motivated)


@pytest.mark.parametrize(
    ("base", "motivated", "init", "map_name", "message"),
    [
        ("resnet18", "resnet50", "identity", "aligned", "resnet18-to-50: the weights map is partial.*--init paper"),
        ("vit-tiny", "vit-small", "identity", "leading", "--map leading puts the base's keys.*--init paper"),
        ("vit-tiny", "vit-small", "timm", "aligned", "timm starts vit models no other way; use --init paper"),
        ("efficientnet-b0", "efficientnet-b1", "timm", "aligned", "--init timm: .* use --init paper"),
        ("resnet20", "resnet32", "timm", "aligned", "--init timm: .* use --init paper"),
        ("resnet20", "resnet32", "identity", "leading", "--map leading: resnet20-to-32 has no fused q/k/v"),
        ("resnet18", "resnet34", "paper", "leading", "leave --map at aligned"),
    ],
)
def test_a_start_or_map_that_a_pair_cannot_have_is_refused(base, motivated, init, map_name, message):
    with pytest.raises(BadInput, match=message) as refusal:
        check_start(base, motivated, init, map_name)
    assert "\n" not in str(refusal.value)


def test_the_default_start_is_allowed_and_is_identity_wherever_that_is_possible():
    for name in pair_names():
        base, motivated = parse_pair(name)
        init = default_init(base, motivated, "aligned")
        assert init == ("identity" if nests_fully(base, motivated) else "paper")
        for allowed in (init, "paper", "auto", *(["timm"] if family_of(base).timm_start else [])):
            check_start(base, motivated, allowed, "aligned")
    assert default_init("vit-tiny", "vit-small", "leading") == "paper"


def test_the_patch_follows_the_image_size():
    assert {size: family_of("vit-tiny").patch_at(size) for size in (8, 16, 32, 64, 96, 128, 160, 224)} == {
        8: 2, 16: 4, 32: 4, 64: 8, 96: 8, 128: 16, 160: 16, 224: 16,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("image_size", "message"),
    [
        (30, "--image-size 30 is no multiple of the patch of vit-tiny, 4 px there; use 28 or 32"),
        (127, "use 120 or 128"),
        (225, "16 px there; use 224 or 240"),
        (15, "2 px there; use 14 or 16"),
        (1, "use 2$"),
    ],
)
def test_an_image_that_the_patch_does_not_divide_is_refused_with_the_nearest_sizes(image_size, message):
    with pytest.raises(BadInput, match=message):
        check_image_size("vit-tiny", image_size)
    check_image_size("resnet18", image_size)


def test_models_of_a_family_are_listed_from_small_to_large():
    for family in {spec.family for spec in MODELS.values()}:
        orders = [spec.order for spec in MODELS.values() if spec.family == family]
        assert orders == sorted(set(orders))
