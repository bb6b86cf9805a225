"""RandAugment against timm's own `rand-m9-mstd0.5-inc1`: its operations, its draws, and the change of images."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from timm.data import auto_augment
from torch import Tensor

from seekcli.config.layers import load_recipe, recipe_names
from seekcli.config.settings import AugmentConfig
from seekcli.data.augment.augmenter import rand_augment
from seekcli.data.augment.randaugment import OPERATIONS, SIGNED, TimmRandAugment

SIZE, FILL = 24, (124, 116, 104)
# Our names are those of the operations, timm's say also how a magnitude is read.
THEIRS = {
    **{name: f"{name}Increasing" for name in ("Color", "Contrast", "Brightness", "Sharpness", "Posterize", "Solarize")},
    "TranslateX": "TranslateXRel",
    "TranslateY": "TranslateYRel",
}
# Levels out of 255 by which one pixel, and all on average, may differ: PIL's bicubic kernel is sharper than torch's,
# and it rounds the grey of Color and Contrast.
TOLERANCES = {
    **dict.fromkeys(("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"), (20, 1.5)),
    **dict.fromkeys(("Color", "Contrast"), (2, 1.0)),
    "AutoContrast": (1, 0.2),
}


def smooth_images(count: int, channels: int = 3) -> Tensor:
    coarse = torch.rand((count, channels, 6, 6), generator=torch.Generator().manual_seed(0))
    return (torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)


def as_pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).view(SIZE, SIZE, -1).permute(2, 0, 1)


@pytest.fixture(autouse=True)
def posterize_to_no_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """At magnitude 10 timm keeps no bit: black, until Pillow began to refuse it."""
    theirs = auto_augment.NAME_TO_OP["PosterizeIncreasing"]

    def posterize(image: Image.Image, bits: int, **options: object) -> Image.Image:
        return theirs(image, bits, **options) if bits else Image.new(image.mode, image.size)

    monkeypatch.setitem(auto_augment.NAME_TO_OP, "PosterizeIncreasing", posterize)


def test_the_operations_are_timms() -> None:
    ours = {THEIRS.get(name, name) for name in OPERATIONS}
    assert ours == set(auto_augment.rand_augment_choices("", increasing=True))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_operation_is_timms(name: str, channels: int, sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if sign < 0 and name not in SIGNED:
        return
    monkeypatch.setattr(random, "random", lambda: 0.9 if sign < 0 else 0.1)
    batch, fill = smooth_images(5, channels), FILL[:channels]
    magnitudes = torch.tensor([9.0, 6.3, 2.0, 10.0, 0.0])
    colour = torch.tensor(fill, dtype=torch.float32).view(1, -1, 1, 1)
    found = OPERATIONS[name](batch, sign * magnitudes / 10, colour)
    assert found.dtype == torch.uint8
    most, on_average = TOLERANCES.get(name, (0, 0.0))
    for image, ours, magnitude in zip(batch, found, magnitudes.tolist(), strict=True):
        hparams = {"img_mean": fill if channels > 1 else fill[0], "interpolation": Image.Resampling.BICUBIC}
        operation = auto_augment.AugmentOp(THEIRS.get(name, name), prob=1.0, magnitude=magnitude, hparams=hparams)
        difference = (as_tensor(operation(as_pil(image))).int() - ours.int()).abs()
        assert difference.max() <= most
        assert difference.float().mean() <= on_average


def test_each_operation_takes_place_as_often_as_timms_and_as_strongly() -> None:
    policy, images = TimmRandAugment(2, 9.0, FILL), 30_000
    layers = policy.draw(images, torch.Generator().manual_seed(0))
    assert len(layers) == 2
    for layer in layers:
        times = Counter(layer.operation.tolist())
        assert stats.binomtest(times.pop(len(OPERATIONS)), images, 0.5).pvalue > 1e-4
        assert set(times) == set(range(len(OPERATIONS)))
        assert stats.chisquare(list(times.values())).pvalue > 1e-4
        assert stats.binomtest(int((layer.sign > 0).sum()), images, 0.5).pvalue > 1e-4
        below = layer.magnitude[layer.magnitude < 10]
        # Cut at 10, where the highest 2.3 % land; what is below has the normal's shape.
        assert stats.binomtest(images - len(below), images, stats.norm.sf(2)).pvalue > 1e-4
        assert stats.kstest(below, stats.truncnorm(-np.inf, 2, loc=9.0, scale=0.5).cdf).pvalue > 1e-4
    assert not any(torch.equal(one, other) for one, other in pairwise(layer.operation for layer in layers))


@pytest.mark.slow
@pytest.mark.parametrize("magnitude", [9, 6])
def test_images_change_as_much_as_by_timm(magnitude: int) -> None:
    """The mean absolute change, over 2,400 augmented images each: equal within the 99.9 % interval of the difference.

    The same operations always applied (`torchvision`) lie far outside it.
    """
    batch, rounds = smooth_images(40), 60
    random.seed(0)
    np.random.seed(0)
    hparams = {"img_mean": FILL, "interpolation": Image.Resampling.BICUBIC}
    timms = auto_augment.rand_augment_transform(f"rand-m{magnitude}-mstd0.5-inc1", hparams)
    originals = [(as_pil(image), image.int()) for image in batch]
    differences = [as_tensor(timms(picture)) - image for _ in range(rounds) for picture, image in originals]
    theirs = torch.stack(differences).abs().float().mean((1, 2, 3)).numpy()

    def changes(policy: str) -> np.ndarray:
        settings = AugmentConfig(randaugment_ops=2, randaugment_magnitude=float(magnitude), randaugment_policy=policy)
        augment = rand_augment(settings, SIZE, [value / 255 for value in FILL])
        drawing = torch.Generator().manual_seed(0)
        done = torch.stack([augment.apply(batch, drawing) for _ in range(rounds)])
        return (done.int() - batch.int()).abs().float().mean((2, 3, 4)).flatten().numpy()

    ours = changes("timm")
    margin = stats.norm.ppf(0.9995) * np.hypot(stats.sem(theirs), stats.sem(ours))
    assert margin < 0.15 * theirs.mean()
    assert abs(ours.mean() - theirs.mean()) < margin
    assert changes("torchvision").mean() - theirs.mean() > margin


def test_each_image_of_a_batch_gets_its_own_and_the_batch_that_came_in_stays() -> None:
    policy, batch = TimmRandAugment(3, 9.0, FILL), smooth_images(30)
    found = policy.apply(batch, torch.Generator().manual_seed(3))
    colour = torch.tensor(FILL, dtype=torch.float32).view(1, 3, 1, 1)
    names = list(OPERATIONS)
    expected = batch.clone()
    for layer in policy.draw(30, torch.Generator().manual_seed(3)):
        for place in range(30):
            if layer.operation[place] < len(names):
                name = names[layer.operation[place]]
                sign = layer.sign[place] if name in SIGNED else 1.0
                amount = (sign * layer.magnitude[place] / 10)[None]
                expected[place] = OPERATIONS[name](expected[place][None], amount, colour)[0]
    assert (found.int() - expected.int()).abs().max() <= 1
    assert torch.equal(batch, smooth_images(30))
    assert torch.equal(found, policy.apply(batch, torch.Generator().manual_seed(3)))


def test_recipes_that_name_deit_or_a3_mean_timms() -> None:
    magnitudes = {"cifar-vit": 9, "imagenet-a3": 6, "transfer": 9}
    found = {name: load_recipe(name) for name in recipe_names()}
    with_randaugment = {name for name, settings in found.items() if settings.get("augment.randaugment_ops")}
    assert with_randaugment == set(magnitudes)
    for name, magnitude in magnitudes.items():
        assert found[name]["augment.randaugment_policy"] == "timm"
        assert found[name]["augment.randaugment_magnitude"] == magnitude
