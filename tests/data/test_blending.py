"""Random Erasing, Mixup and CutMix, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from timm.data import random_erasing

from seekcli.data.augment.blending import (
    clipped_erasing_boxes,
    cutmix,
    cutmix_box,
    erase,
    erasing_boxes,
    mixup,
    shares_of,
)

SIZE = 12


def batch(count=5):
    return torch.randn(count, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Draws:
    """Stands in for the module `random` in timm's code, and gives uniform numbers in this order."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def random(self):
        return 0.0  # every image is erased

    def uniform(self, low, high):
        return low + (high - low) * next(self.numbers)

    def randint(self, low, high):
        return low + math.floor(next(self.numbers) * (high - low + 1))


def timms_box(tries, size, monkeypatch):
    """Top, left, bottom, right of what timm erases by these draws [tries, 4]; zeros where it erases nothing.

    A try that does not fit draws no place there, so that its numbers are left out.
    """
    numbers = []
    for area, aspect, row, column in tries.double().tolist():
        numbers += [area, aspect]
        share, ratio = 0.02 + (1 / 3 - 0.02) * area, math.exp(math.log(0.3) * (1 - 2 * aspect))
        if max(round(size * math.sqrt(share * ratio)), round(size * math.sqrt(share / ratio))) < size:
            numbers += [row, column]
            break
    monkeypatch.setattr(random_erasing, "random", Draws(numbers))
    erased = random_erasing.RandomErasing(1.0, device="cpu")(torch.ones(1, size, size))[0] == 0
    if not erased.any():
        return [0, 0, 0, 0]
    rows, columns = (erased.any(axis).nonzero().flatten() for axis in (1, 0))
    return [rows[0].item(), columns[0].item(), rows[-1].item() + 1, columns[-1].item() + 1]


@pytest.mark.parametrize("size", [3, 8, 32, 224])
def test_erasing_boxes_are_timms(size, monkeypatch):
    """Also where many tries do not fit: in small images."""
    drawn = torch.rand((300, 10, 4), generator=torch.Generator().manual_seed(size))
    drawn[:200, :3, 0] = 1 - 0.2 * drawn[:200, :3, 0]  # large and elongated: these fit less often
    drawn[:200, :3, 1] = (drawn[:200, :3, 1] > 0.5) * 0.98 + 0.01
    boxes = erasing_boxes(drawn, size)
    boxes[(boxes[:, 2:] == boxes[:, :2]).any(1)] = 0  # a side that is rounded to no pixel
    assert boxes.tolist() == [timms_box(tries, size, monkeypatch) for tries in drawn]


def test_no_box_is_erased_where_none_fits():
    too_large = torch.tensor([1.0, 1.0, 0.5, 0.5]).expand(2, 10, 4).clone()
    too_large[1, 9] = 0.5
    assert erasing_boxes(too_large, 8).any(1).tolist() == [False, True]


def test_erasing_boxes_lie_in_the_image_and_have_timms_areas():
    drawn = torch.rand(20_000, 10, 4, generator=torch.Generator().manual_seed(1))
    top, left, bottom, right = erasing_boxes(drawn, 64).unbind(1)
    assert min(top.min(), left.min()) == 0
    assert max(bottom.max(), right.max()) == 64
    height, width = bottom - top, right - left
    assert height.min() >= 1
    assert width.min() >= 1
    assert max(height.max(), width.max()) <= 63
    area = (height * width).double() / 64**2
    assert area.mean().item() == pytest.approx((0.02 + 1 / 3) / 2, rel=0.03)
    aspect = (height / width).double().log()
    assert aspect.mean().item() == pytest.approx(0, abs=0.02)
    assert 0.25 < aspect.exp().min() < 0.36  # 0.3, and what rounding to whole pixels makes of it


@pytest.mark.parametrize("corner", [0.0, 1 - 2**-24])
def test_a_clipped_erasing_box_at_the_ends_of_what_is_drawn(corner):
    for size in (2, 3, 8, 224):
        for area in (0.0, 1 - 2**-24):
            drawn = torch.tensor([[area, 0.5, corner, corner]])
            (top, left, bottom, right) = clipped_erasing_boxes(drawn, size)[0].tolist()
            assert 0 <= top < bottom <= size
            assert 0 <= left < right <= size
            assert (top == 0) if corner == 0 else (bottom == size)


def test_a_clipped_erasing_box_is_cut_to_one_pixel_less_than_the_image():
    (top, left, bottom, right) = clipped_erasing_boxes(torch.tensor([[1.0, 1.0, 0.5, 0.5]]), 32)[0].tolist()
    assert (bottom - top, right - left) == (31, 10)


def test_erase_puts_noise_into_the_boxes_and_nowhere_else():
    images, noise = batch(3), torch.randn(3, 2, SIZE, SIZE)
    boxes = torch.tensor([[2, 3, 5, 9], [0, 0, 0, 0], [0, 0, SIZE, 1]])
    found = erase(images, boxes, noise)
    for place, (top, left, bottom, right) in enumerate(boxes.tolist()):
        for row in range(SIZE):
            for column in range(SIZE):
                source = noise if top <= row < bottom and left <= column < right else images
                assert torch.equal(found[place, :, row, column], source[place, :, row, column])
    assert torch.equal(images, batch(3))


def test_mixup_shares_pixels_and_classes():
    images, shares = batch(), shares_of(torch.tensor([0, 1, 2, 2, 1]), 3)
    mixed, targets = mixup(images, shares, 0.75)
    for place in range(5):
        assert torch.allclose(mixed[place], 0.75 * images[place] + 0.25 * images[4 - place])
    assert targets.tolist() == [[0.75, 0.25, 0], [0, 0.75, 0.25], [0, 0, 1], [0, 0.25, 0.75], [0.25, 0.75, 0]]


def test_cutmix_takes_the_box_from_the_partner_and_the_classes_by_area():
    images, shares = batch(), shares_of(torch.tensor([0, 1, 2, 2, 1]), 3)
    mixed, targets = cutmix(images, shares, (1, 2, 4, 8))
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[1:4, 2:8] = True
    for place in range(5):
        assert torch.equal(mixed[place], torch.where(inside, images[4 - place], images[place]))
    kept = 1 - 18 / 144
    assert torch.allclose(targets[0], torch.tensor([kept, 1 - kept, 0]))
    assert torch.allclose(targets.sum(1), torch.ones(5))
    assert torch.equal(images, batch())


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.75, 1.0])
def test_cutmix_boxes_are_timms(kept, monkeypatch):
    """timm draws the centre in whole pixels; from the same centre the same box."""
    from timm.data.mixup import rand_bbox

    for row in range(8):
        for column in range(8):
            centre = iter((row, column))
            monkeypatch.setattr(np.random, "randint", lambda low, high, size=None, centre=centre: next(centre))
            top, bottom, left, right = rand_bbox((3, 8, 8), kept)
            ours = cutmix_box(kept, (row + 0.5) / 8, (column + 0.5) / 8, 8)
            assert ours == (top, left, bottom, right), (row, column)


def test_cutmix_of_nothing_and_of_all():
    images, shares = batch(), shares_of(torch.arange(5), 5)
    assert cutmix_box(1.0, 0.3, 0.9, SIZE)[0] == cutmix_box(1.0, 0.3, 0.9, SIZE)[2]
    mixed, targets = cutmix(images, shares, cutmix_box(1.0, 0.3, 0.9, SIZE))
    assert torch.equal(mixed, images)
    assert torch.equal(targets, shares)
    mixed, targets = cutmix(images, shares, (0, 0, SIZE, SIZE))
    assert torch.equal(mixed, images.flip(0))
    assert torch.equal(targets, shares.flip(0))


def test_shares_are_float32_rows_that_sum_to_one():
    shares = shares_of(torch.tensor([1, 0]), 4)
    assert shares.dtype == torch.float32
    assert shares.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert math.prod(shares.shape) == 8
