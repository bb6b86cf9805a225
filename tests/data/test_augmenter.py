"""The order of augmentations, and that all that is drawn is a pure function of (seed, epoch, step)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats

from seekcli.config.settings import AugmentConfig
from seekcli.data.augment.augmentation_settings import AugmentationSettings
from seekcli.data.augment.augmenter import Augmenter, crop_windows, repeated, resized_crop
from seekcli.data.augment.crop_rule import TRIES, random_box
from seekcli.data.loading.batches import Batches
from seekcli.data.sets.sources import DataFacts, Dataset

CPU = torch.device("cpu")
SIZE, CLASSES = 12, 4
EVERYTHING = {
    "crop_padding": 2,
    "flip": True,
    "resized_crop_area": 0.3,
    "resized_crop_rule": "torchvision",
    "repeats": 3,
    "randaugment_ops": 2,
    "randaugment_policy": "timm",
    "autoaugment": "cifar10",
    "erasing_probability": 0.5,
    "mixup_alpha": 0.8,
    "cutmix_alpha": 1.0,
    "train_size": 10,
}


def dataset(images: int = 29) -> Dataset:
    pixels = torch.randint(0, 256, (images, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    labels = torch.arange(images) % CLASSES
    facts = DataFacts("made", CLASSES, 3, SIZE, images, 4)
    names = tuple(map(str, range(CLASSES)))
    return Dataset(facts, pixels, labels, pixels[:4], labels[:4], names, (0.5,) * 3, (0.25,) * 3, "made")


def batches_of(channels_last: bool = False, train_size: int | None = None, **augmentation: Any) -> Batches:
    return Batches(
        dataset(), CPU, batch_size=8, eval_batch_size=500, augmentation=AugmentationSettings(**augmentation),
        train_size=train_size, channels_last=channels_last,
    )  # fmt: skip


def augmenter_of(classes: int = CLASSES, image_size: int = SIZE, seed: int = 0, **augmentation: Any) -> Augmenter:
    return Augmenter(AugmentationSettings(**augmentation), classes=classes, image_size=image_size, seed=seed)


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) and torch.equal(c, d) for (a, c), (b, d) in zip(one, other, strict=True))


@pytest.mark.parametrize("key", [*EVERYTHING, "all"])
def test_batches_do_not_depend_on_where_a_run_starts_or_on_what_was_drawn_before(key):
    settings = EVERYTHING if key == "all" else {key: EVERYTHING[key]}
    whole = list(batches_of(**settings).epoch(3))
    assert len(whole) == 4
    torch.manual_seed(99)
    torch.rand(7)
    for start in (1, 2, 3):
        assert same(batches_of(**settings).epoch(3, start), whole[start:])
    again = batches_of(**settings)
    list(again.epoch(0))
    assert same(again.epoch(3), whole)
    assert same(batches_of(channels_last=True, **settings).epoch(3), whole)


def test_drawing_leaves_torchs_own_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(batches_of(**EVERYTHING).epoch(0))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("key", ["resized_crop_area", "randaugment_ops", "autoaugment", "erasing_probability",
                                 "mixup_alpha", "cutmix_alpha"])  # fmt: skip
def test_each_is_drawn_anew_for_every_seed_epoch_and_step(key):
    settings = {key: EVERYTHING[key]}
    images = dataset().train_images[:8]
    labels = torch.arange(8) % CLASSES
    found = []
    for seed, epoch, step in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)):
        augmenter = augmenter_of(seed=seed, **settings)
        values = augmenter.pixels(images, epoch, step).float()
        found.append(augmenter.values(values, labels, epoch, step)[0])
    plain = images.float()
    assert all(not torch.equal(each, plain) for each in found)
    assert torch.equal(found[0], found[-1])
    assert all(not torch.equal(found[a], found[b]) for a in range(4) for b in range(a))


@pytest.mark.parametrize("channels_last", [False, True])
def test_shapes_types_and_layout(channels_last):
    for images, targets in batches_of(channels_last, **EVERYTHING).epoch(0):
        assert images.shape[1:] == (3, 10, 10)
        assert images.dtype == torch.float32
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert images.is_contiguous(memory_format=layout)
        assert targets.shape == (len(images), CLASSES)
        assert torch.allclose(targets.sum(1), torch.ones(len(images)))
    # The test images are neither changed nor shrunk.
    tested = list(batches_of(**EVERYTHING).test())
    assert same(tested, batches_of().test())
    assert tested[0][0].shape[-1] == SIZE


def test_nothing_asked_for_changes_nothing():
    images, labels = dataset().train_images[:8], torch.arange(8) % CLASSES
    augmenter = augmenter_of()
    assert augmenter.pixels(images, 0, 0) is images
    values = images.float()
    assert augmenter.values(values, labels, 0, 0) == (values, labels)


def test_training_images_are_shrunk_to_the_training_size():
    ((images, labels), *_) = batches_of(train_size=6).epoch(0)
    plain = next(iter(batches_of().epoch(0)))
    assert images.shape[-1] == 6
    assert torch.equal(labels, plain[1])
    assert torch.allclose(images.mean((2, 3)), plain[0].mean((2, 3)), atol=0.05)


def test_mixup_and_cutmix_take_turns():
    augmenter = augmenter_of(mixup_alpha=1.0, cutmix_alpha=1.0)
    values = dataset().train_images[:8].float()
    labels = torch.arange(8) % CLASSES
    cuts = 0
    for step in range(400):
        mixed, targets = augmenter.values(values, labels, 0, step)
        taken = (mixed == values) | (mixed == values.flip(0))
        cuts += bool(taken.all())
        # The loss sees the very shares that the pixels have.
        if not taken.all():
            kept = targets[0, 0]
            assert torch.allclose(mixed[0], kept * values[0] + (1 - kept) * values[7], atol=1e-3)
    assert 160 < cuts < 240


@pytest.mark.parametrize(("alpha", "spread"), [(0.1, 0.45), (1.0, 0.29), (8.0, 0.12)])
def test_shares_are_of_a_beta_distribution(alpha, spread):
    augmenter = augmenter_of(2, mixup_alpha=alpha)
    values, labels = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1])
    kept = torch.stack([augmenter.values(values, labels, 0, step)[1][0, 0] for step in range(2000)])
    assert kept.mean().item() == pytest.approx(0.5, abs=0.03)
    assert kept.std().item() == pytest.approx(spread, abs=0.03)


@pytest.mark.parametrize("rule", ["clipped", "timm"])
def test_half_of_the_images_are_erased(rule):
    settings = {"erasing_probability": 0.5, "erasing_rule": rule}
    augmenter = augmenter_of(image_size=32, **settings)
    values = torch.full((2000, 1, 32, 32), 7.0)
    erased, _ = augmenter.values(values, torch.zeros(2000, dtype=torch.int64), 0, 0)
    changed = (erased != 7.0).flatten(1)
    assert 900 < changed.any(1).sum() < 1100
    noise = erased[erased != 7.0]
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_repeats_show_a_third_of_the_images_three_times_each():
    order = torch.randperm(29)
    found = repeated(order, 3)
    assert len(found) == 29
    assert found.tolist() == [int(order[place // 3]) for place in range(29)]
    assert repeated(order, 1).tolist() == order.tolist()
    batches = batches_of(repeats=3)
    first, second = (torch.cat([labels for _, labels in batches.epoch(epoch)]) for epoch in (0, 1))
    assert first.tolist() == first[::3].repeat_interleave(3)[:29].tolist()
    assert not torch.equal(first, second)


def test_repeats_are_augmented_differently():
    first = next(iter(batches_of(repeats=3, crop_padding=3, flip=True).epoch(0)))[0]
    assert not torch.equal(first[0], first[1])


def test_crop_windows_have_the_areas_and_shapes_asked_for():
    drawn = torch.rand(20_000, 4, generator=torch.Generator().manual_seed(1))
    x, y, half_width, half_height = crop_windows(drawn, 0.08).unbind(1)
    area = half_width * half_height
    assert area.min() > 0.08 - 1e-6
    assert area.max() <= 1
    assert area.mean().item() == pytest.approx(0.54, abs=0.03)
    aspect = (half_width / half_height).log()
    assert aspect.mean().item() == pytest.approx(0, abs=0.01)
    assert (x.abs() + half_width).max() <= 1 + 1e-6
    assert (y.abs() + half_height).max() <= 1 + 1e-6


@pytest.mark.parametrize("least_area", [0.08, 0.6])
def test_the_windows_in_memory_have_torchvisions_distribution(least_area):
    """Left, top, width, height, area and aspect of 4,000 crops against those of torchvision's own draws."""
    from torchvision.transforms import RandomResizedCrop

    side, count = 100, 4000
    torch.manual_seed(0)
    image = torch.zeros(1, side, side)
    theirs = torch.tensor([RandomResizedCrop.get_params(image, [least_area, 1], [3 / 4, 4 / 3]) for _ in range(count)])
    top, left, height, width = theirs.T.double()

    def windows(rule):
        settings = {"resized_crop_area": least_area, "resized_crop_rule": rule}
        augmenter = augmenter_of(image_size=side, **settings)
        x, y, half_width, half_height = augmenter.windows(count, side, torch.Generator().manual_seed(1)).double().T
        found = (x + 1 - half_width) * side / 2, (y + 1 - half_height) * side / 2, half_width * side, half_height * side
        return tuple(each.round() for each in found)

    def p_values(left_, top_, width_, height_):
        pairs = [(left, left_), (top, top_), (width, width_), (height, height_), (width * height, width_ * height_)]
        pairs.append((width / height, width_ / height_))
        return [stats.ks_2samp(one.numpy(), other.numpy()).pvalue for one, other in pairs]

    assert min(p_values(*windows("torchvision"))) > 1e-3
    assert min(p_values(*windows("clipped"))) < 1e-6


def test_streamed_images_and_images_in_memory_are_cropped_by_one_rule():
    draws = torch.rand((1, TRIES, 4), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    settings = {"resized_crop_area": 0.08, "resized_crop_rule": "torchvision"}
    augmenter = augmenter_of(image_size=64, **settings)
    window = augmenter.windows(1, 64, torch.Generator().manual_seed(4))
    left, top, right, bottom = random_box(64, 64, 0.08, draws[0].tolist())
    expected = [(left + right) / 64 - 1, (top + bottom) / 64 - 1, (right - left) / 64, (bottom - top) / 64]
    assert window[0].tolist() == pytest.approx(expected)


def test_a_resized_crop_is_torchvisions_where_windows_lie_on_pixels():
    from torchvision.transforms.v2 import functional

    images = dataset().train_images[:5]
    windows = []
    boxes = [(0, 0, 12, 12), (2, 1, 8, 10), (3, 3, 6, 6), (0, 5, 4, 7), (6, 0, 6, 12)]  # top, left, height, width
    for top, left, height, width in boxes:
        windows.append([(2 * left + width) / SIZE - 1, (2 * top + height) / SIZE - 1, width / SIZE, height / SIZE])
    found = resized_crop(images, torch.tensor(windows), 12)
    for image, ours, (top, left, height, width) in zip(images, found, boxes, strict=True):
        theirs = functional.resized_crop(image, top, left, height, width, [12, 12], antialias=False)
        # At a window's edge torchvision repeats its last pixels, where we see what lies beyond.
        inner = slice(3, -3)
        assert (ours.int() - theirs.int()).abs()[:, inner, inner].max() <= 1
    assert torch.equal(found[0], images[0])


def test_the_plain_settings_are_those_of_the_schema_and_start_where_it_does():
    assert AugmentationSettings(**AugmentConfig().model_dump()) == AugmentationSettings()
