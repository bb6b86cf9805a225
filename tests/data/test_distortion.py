"""RandAugment and AutoAugment against torchvision's own, one image at a time; and what is drawn."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torchvision.transforms import v2

from seekcli.data.augment.distortion import (
    CIFAR10_POLICY,
    DISTORTIONS,
    RANDAUGMENT,
    SIGNED_NAMES,
    AutoAugment,
    RandAugment,
    distort,
    magnitude_of,
)

SIZE = 24


def images(count=6, channels=3):
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand((count, channels, 6, 6), generator=generator)
    return (torch.nn.functional.interpolate(smooth, SIZE, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)


def torchvision_does(name, image, magnitude):
    augment = v2.RandAugment(interpolation=v2.InterpolationMode.BILINEAR, fill=[128.0])
    return augment._apply_image_or_video_transform(image, name, magnitude, augment.interpolation, augment._fill)


@pytest.mark.parametrize("name", DISTORTIONS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_operation_on_a_batch_is_torchvisions_on_each_image(name, sign, channels):
    if sign < 0 and name not in SIGNED_NAMES:
        return
    magnitude = sign * magnitude_of(name, 0.9, SIZE)
    batch = images(channels=channels)
    found = DISTORTIONS[name](batch, magnitude)
    assert found.dtype == torch.uint8
    for image, ours in zip(batch, found, strict=True):
        assert torch.equal(torchvision_does(name, image, magnitude), ours)
    if name != "Identity" and (channels, name) != (1, "Color"):
        assert not torch.equal(found, batch)


def test_magnitudes_are_torchvisions_ranges():
    bins = 31
    for name, (values, signed) in v2.RandAugment._AUGMENTATION_SPACE.items():
        assert (name in SIGNED_NAMES) is signed
        for index in (0, 9, 18, 27, 30):
            listed = values(bins, SIZE, SIZE)
            expected = 0.0 if listed is None else float(listed[index])
            assert magnitude_of(name, index / (bins - 1), SIZE) == pytest.approx(expected, abs=1e-5), (name, index)
    assert set(RANDAUGMENT) == set(v2.RandAugment._AUGMENTATION_SPACE)


def test_the_policy_is_torchvisions():
    assert list(CIFAR10_POLICY) == v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)._policies


@pytest.mark.parametrize("policy", [RandAugment(3, 9.0, SIZE), AutoAugment(SIZE)])
def test_a_batch_gets_what_each_image_drew_one_after_the_other(policy):
    batch = images(40)
    drawn = policy.draw(40, torch.Generator().manual_seed(5))
    found = distort(batch, policy.choices, drawn)
    for place in range(40):
        image = batch[place]
        for layer in drawn:
            name, magnitude = policy.choices[layer[place]]
            image = torchvision_does(name, image, magnitude)
        assert torch.equal(found[place], image)
    assert torch.equal(batch, images(40))  # what came in is as it was
    assert not torch.equal(found, batch)


def test_every_operation_and_sign_is_as_likely_as_any_other():
    policy = RandAugment(2, 9.0, SIZE)
    drawn = policy.draw(14_000, torch.Generator().manual_seed(0))
    assert len(drawn) == 2
    for layer in drawn:
        names = Counter(policy.choices[pick][0] for pick in layer.tolist())
        assert set(names) == set(RANDAUGMENT)
        assert all(850 < count < 1150 for count in names.values())
        signs = Counter(policy.choices[pick] for pick in layer.tolist() if policy.choices[pick][0] in SIGNED_NAMES)
        assert len(signs) == 2 * len(SIGNED_NAMES)
        assert all(400 < count < 600 for count in signs.values())


def test_sub_policies_are_drawn_with_their_probabilities():
    policy = AutoAugment(SIZE)
    count = 50_000
    drawn = policy.draw(count, torch.Generator().manual_seed(0))
    for position in range(2):
        expected: Counter[str] = Counter()
        for sub_policy in CIFAR10_POLICY:
            expected[sub_policy[position][0]] += sub_policy[position][1] * count / 25
        found = Counter(policy.choices[pick][0] for pick in drawn[position].tolist())
        for name, times in expected.items():
            assert abs(found[name] - times) < 300, (position, name)
    # The second operation is of the same sub-policy as the first.
    pairs = {(first[0], second[0]) for first, second in CIFAR10_POLICY}
    for one, other in zip(*(layer.tolist() for layer in drawn), strict=True):
        assert not (one and other) or (policy.choices[one][0], policy.choices[other][0]) in pairs
