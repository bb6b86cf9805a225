"""Made-up images: the asked-for shape, always the same, and learnable."""

from __future__ import annotations

import pytest
import torch

from seekcli.data.sets.synthetic import Synthetic, generate, parse
from seekcli.errors import BadInput


def test_the_form_is_read() -> None:
    assert parse("synthetic:3x32x32:10") == Synthetic(3, 32, 10, 5000)
    assert parse("synthetic:1x8x8:4:200") == Synthetic(1, 8, 4, 200)
    assert parse("synthetic:3x64x64:2000").images == 10_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetic:3x32x32", "expected synthetic:CxHxW:CLASSES"),
        ("synthetic:3x32:10", "expected synthetic:CxHxW:CLASSES"),
        ("synthetic:3x32x32:10:", "expected synthetic:CxHxW:CLASSES"),
        ("synthetic:3x32x32:-1", "expected synthetic:CxHxW:CLASSES"),
        ("synthetic:3x32x16:10", "images are square, 32x16 are not"),
        ("synthetic:0x32x32:10", "at least one channel"),
        ("synthetic:3x0x0:10", "one pixel"),
        ("synthetic:3x32x32:1", "at least 2 classes"),
        ("synthetic:3x32x32:10:19", "10 classes need at least 20 images"),
    ],
)
def test_an_impossible_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        parse(text)
    assert text in str(caught.value)


def test_shapes_and_balance() -> None:
    made = generate(Synthetic(2, 5, 4, 200))
    assert made.train_images.shape == (160, 2, 5, 5)
    assert made.test_images.shape == (40, 2, 5, 5)
    assert made.train_images.dtype == torch.uint8
    assert torch.bincount(made.train_labels).tolist() == [40] * 4
    assert torch.bincount(made.test_labels).tolist() == [10] * 4
    assert made.class_names == ("0", "1", "2", "3")


def test_it_is_always_the_same() -> None:
    one, other = generate(Synthetic(1, 8, 4, 60)), generate(Synthetic(1, 8, 4, 60))
    assert torch.equal(one.train_images, other.train_images)
    assert torch.equal(one.test_labels, other.test_labels)


def test_no_image_occurs_twice() -> None:
    made = generate(Synthetic(1, 8, 2, 2200))
    images = torch.cat([made.train_images, made.test_images]).flatten(1)
    assert len(images.unique(dim=0)) == 2200


def test_classes_can_be_told_apart_but_not_by_a_single_pixel() -> None:
    made = generate(Synthetic(3, 8, 4, 800))
    train, test = made.train_images.float().flatten(1), made.test_images.float().flatten(1)
    means = torch.stack([train[made.train_labels == label].mean(0) for label in range(4)])
    assert (torch.cdist(test, means).argmin(1) == made.test_labels).float().mean() > 0.9
    one_pixel = torch.cdist(test[:, :1], means[:, :1]).argmin(1)
    assert (one_pixel == made.test_labels).float().mean() < 0.7
