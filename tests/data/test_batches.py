"""Which images a batch has, in which order and how changed: a pure function of (seed, epoch, step)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor

from seekcli.data.augment.augmentation import crop_and_flip
from seekcli.data.augment.augmentation_settings import AugmentationSettings
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.loading.batches import Batches
from seekcli.data.sets.sources import DataFacts, Dataset
from seekcli.errors import BadInput

CPU = torch.device("cpu")
IMAGES, SIZE = 37, 6


def make_dataset(images: int = IMAGES, test_images: int = 5) -> Dataset:
    """Random images, the label of each its own number."""
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randint(0, 256, (images + test_images, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    labels = torch.arange(images + test_images)
    facts = DataFacts("made", images + test_images, 3, SIZE, images, test_images)
    return Dataset(
        facts, pixels[:images], labels[:images], pixels[images:], labels[images:], tuple(map(str, labels.tolist())),
        (0.4, 0.5, 0.6), (0.2, 0.25, 0.5), "made",
    )  # fmt: skip


def make_batches(**settings: Any) -> Batches:
    return batches_of(make_dataset(), **settings)


def batches_of(
    dataset: Dataset, *, batch_size: int = 8, eval_batch_size: int = 500, crop_padding: int = 0, flip: bool = False,
    **plain: Any,
) -> Batches:  # fmt: skip
    augmentation = AugmentationSettings(crop_padding=crop_padding, flip=flip)
    return Batches(
        dataset, CPU, batch_size=batch_size, eval_batch_size=eval_batch_size, augmentation=augmentation, **plain
    )


def labels_of(batches: Batches, epoch: int = 0) -> list[int]:
    return [int(label) for _, labels in batches.epoch(epoch) for label in labels]


def equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(images, images_again) and torch.equal(labels, labels_again)
        for (images, labels), (images_again, labels_again) in zip(one, other, strict=True)
    )


def pixels_of(images: Tensor) -> Tensor:
    """Back to uint8."""
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.25, 0.5]).view(3, 1, 1)
    return ((images * std + mean) * 255).round().to(torch.uint8)


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "batch_size", "drop_last", "expected"),
    [
        (8, 4, False, [(0, 4), (4, 8)]),
        (10, 4, False, [(0, 4), (4, 8), (8, 10)]),
        (9, 4, False, [(0, 4), (4, 9)]),
        (9, 4, True, [(0, 4), (4, 8)]),
        (11, 4, True, [(0, 4), (4, 8)]),
        (3, 4, False, [(0, 3)]),
        (3, 4, True, []),
        (1, 4, False, [(0, 1)]),
    ],
)
def test_bounds(images: int, batch_size: int, drop_last: bool, expected: list[tuple[int, int]]) -> None:
    assert batch_bounds(images, batch_size, drop_last) == expected


@given(st.integers(2, 500), st.integers(2, 64))
def test_bounds_cover_everything_and_no_batch_has_one_image(images: int, batch_size: int) -> None:
    bounds = batch_bounds(images, batch_size, drop_last=False)
    assert [position for start, stop in bounds for position in range(start, stop)] == list(range(images))
    assert min(stop - start for start, stop in bounds) >= 2


# --- order ------------------------------------------------------------------------------------------------------------


def test_every_image_exactly_once_per_epoch() -> None:
    batches = make_batches()
    assert batches.steps_per_epoch == 5
    assert [len(labels) for _, labels in batches.epoch(0)] == [8, 8, 8, 8, 5]
    assert sorted(labels_of(batches)) == list(range(IMAGES))


def test_a_remainder_of_one_image_joins_the_batch_before() -> None:
    batches = make_batches(batch_size=9)
    assert [len(labels) for _, labels in batches.epoch(0)] == [9, 9, 9, 10]
    assert sorted(labels_of(batches)) == list(range(IMAGES))


def test_drop_last_leaves_other_images_out_each_epoch() -> None:
    batches = make_batches(drop_last=True)
    assert batches.steps_per_epoch == 4
    assert len(set(labels_of(batches, 0))) == 32
    assert set(labels_of(batches, 0)) != set(labels_of(batches, 1))


def test_order_differs_by_epoch_and_seed_and_is_shuffled() -> None:
    orders = [labels_of(make_batches()), labels_of(make_batches(), 1), labels_of(make_batches(seed=1))]
    assert len({tuple(order) for order in [*orders, range(IMAGES)]}) == 4


def test_order_depends_on_nothing_but_seed_and_epoch() -> None:
    """Batch size, augmentation, memory layout, earlier epochs and the global generator leave it as it is."""
    plain = labels_of(make_batches(), 3)
    other = make_batches(batch_size=5, crop_padding=2, flip=True, channels_last=True)
    torch.manual_seed(99)
    list(other.epoch(0))
    assert labels_of(other, 3) == plain


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5])
def test_an_epoch_can_be_entered_at_any_step(start: int) -> None:
    settings = {"crop_padding": 2, "flip": True}
    whole = list(make_batches(**settings).epoch(2))
    resumed = list(make_batches(**settings).epoch(2, start))
    assert equal(whole[start:], resumed)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    batches = make_batches(crop_padding=2, flip=True)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = list(batches.epoch(0))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert equal(first, list(batches.epoch(0)))


# --- pixels -----------------------------------------------------------------------------------------------------------


def test_images_are_kept_as_bytes_and_given_normalised() -> None:
    dataset = make_dataset()
    batches = batches_of(dataset)
    assert {images.dtype for images, _ in batches.to_evaluate.values()} == {torch.uint8}
    mean, std = torch.tensor(dataset.mean).view(3, 1, 1), torch.tensor(dataset.std).view(3, 1, 1)
    for images, labels in batches.epoch(0):
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        expected = (dataset.train_images[labels].float() / 255 - mean) / std
        torch.testing.assert_close(images, expected, rtol=1e-5, atol=1e-5)


def test_without_augmentation_pixels_stay() -> None:
    dataset = make_dataset()
    for images, labels in batches_of(dataset).epoch(1):
        assert torch.equal(pixels_of(images), dataset.train_images[labels])


def which(image: Tensor, original: Tensor, padding: int) -> list[tuple[int, int, bool]]:
    """(row, column, flipped) of every way to get `image` from `original`."""
    places = torch.cartesian_prod(torch.arange(2 * padding + 1), torch.arange(2 * padding + 1))
    ways = [(place, torch.tensor([flip])) for place in places.split(1) for flip in (False, True)]
    return [
        (int(place[0, 0]), int(place[0, 1]), bool(flip))
        for place, flip in ways
        if torch.equal(crop_and_flip(original[None], place, flip, padding)[0], image)
    ]


def augmentations(padding: int, flip: bool, epochs: int = 3) -> list[tuple[int, int, bool]]:
    dataset = make_dataset()
    batches = batches_of(dataset, crop_padding=padding, flip=flip)
    found = []
    for epoch in range(epochs):
        for images, labels in batches.epoch(epoch):
            for image, label in zip(pixels_of(images), labels, strict=True):
                (way,) = which(image, dataset.train_images[label], padding)
                found.append(way)
    return found


def test_crops_go_everywhere_and_flips_are_half() -> None:
    ways = augmentations(padding=1, flip=True)
    assert {(row, column) for row, column, _ in ways} == {(row, column) for row in range(3) for column in range(3)}
    assert 0.3 < sum(flipped for *_, flipped in ways) / len(ways) < 0.7


def test_nothing_is_flipped_unless_asked_and_crops_do_not_depend_on_it() -> None:
    crops, both = augmentations(padding=1, flip=False), augmentations(padding=1, flip=True)
    assert not any(flipped for *_, flipped in crops)
    assert [way[:2] for way in crops] == [way[:2] for way in both]


def test_flips_alone_move_nothing() -> None:
    ways = augmentations(padding=0, flip=True)
    assert {way[2] for way in ways} == {False, True}


def test_crops_and_flips_are_drawn_anew_for_each_epoch_and_seed() -> None:
    """By place in the epoch, so the order of the images has no part in it."""
    settings = {"crop_padding": 2, "flip": True}
    draws = [make_batches(seed=seed, **settings).draw(epoch, 100) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert len({str(offsets.tolist()) for offsets, _ in draws}) == 3
    assert len({str(flips.tolist()) for _, flips in draws}) == 3


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_layout_is_the_one_asked_for(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batches = make_batches(crop_padding=1, channels_last=channels_last)
    other = make_batches(crop_padding=1, channels_last=not channels_last)
    assert all(images.is_contiguous(memory_format=layout) for images, _ in (*batches.epoch(0), *batches.test()))
    assert equal(list(batches.epoch(0)), list(other.epoch(0)))


def test_what_the_trainer_does_to_a_batch_stays_in_it() -> None:
    batches = make_batches()
    before = list(batches.epoch(0)) + list(batches.test())
    for images, _ in (*batches.epoch(0), *batches.test()):
        images.zero_()
    assert equal(before, list(batches.epoch(0)) + list(batches.test()))


# --- test split -------------------------------------------------------------------------------------------------------


def test_the_test_images_come_in_order_and_unchanged() -> None:
    dataset = make_dataset()
    batches = batches_of(dataset, eval_batch_size=2, crop_padding=2, flip=True)
    tested = list(batches.test())
    assert [len(labels) for _, labels in tested] == [2, 2, 1]
    assert torch.equal(torch.cat([labels for _, labels in tested]), dataset.test_labels)
    assert torch.equal(pixels_of(torch.cat([images for images, _ in tested])), dataset.test_images)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_no_batch_at_all_is_refused() -> None:
    with pytest.raises(BadInput, match=r"--batch-size 64: with train\.drop_last, 37 training images make no batch"):
        make_batches(batch_size=64, drop_last=True)


def test_a_single_training_image_is_refused() -> None:
    with pytest.raises(BadInput, match="1 training images are too few"):
        batches_of(make_dataset(images=1))
