"""The batched crop and flip against a loop over images that does it the plain way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seekcli.data.augment.augmentation import crop_and_flip


def one_by_one(images: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Pad, cut out, mirror: as it is described."""
    _, channels, height, width = images.shape
    results = []
    for image, (top, left), flip in zip(images, offsets.tolist(), flips.tolist(), strict=True):
        padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=images.dtype)
        padded[:, padding : padding + height, padding : padding + width] = image
        crop = padded[:, top : top + height, left : left + width]
        results.append(crop[:, :, torch.arange(width - 1, -1, -1)] if flip else crop)
    return torch.stack(results)


def case(shape: tuple[int, ...], padding: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    offsets = torch.randint(0, 2 * padding + 1, (shape[0], 2), generator=generator)
    return images, offsets, torch.rand(shape[0], generator=generator) < 0.5


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("shape", [(64, 3, 8, 8), (64, 1, 5, 5), (64, 2, 4, 7), (1, 3, 3, 3)])
def test_it_is_what_a_loop_over_images_gives(shape: tuple[int, ...], padding: int) -> None:
    images, offsets, flips = case(shape, padding)
    result = crop_and_flip(images, offsets, flips, padding)
    assert result.dtype == torch.uint8
    assert torch.equal(result, one_by_one(images, offsets, flips, padding))


def test_every_offset_is_right() -> None:
    padding = 2
    places = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    images = torch.arange(1, 37, dtype=torch.uint8).view(1, 1, 6, 6).repeat(25, 1, 1, 1)
    for flips in (torch.zeros(25, dtype=torch.bool), torch.ones(25, dtype=torch.bool)):
        assert torch.equal(crop_and_flip(images, places, flips, padding), one_by_one(images, places, flips, padding))


def test_the_middle_leaves_an_image_as_it_is() -> None:
    images, _, flips = case((8, 3, 6, 6), 3)
    middle = torch.full((8, 2), 3)
    assert torch.equal(crop_and_flip(images, middle, torch.zeros_like(flips), 3), images)


def test_it_does_not_touch_what_it_is_given() -> None:
    images, offsets, flips = case((8, 3, 6, 6), 0)
    before = images.clone()
    crop_and_flip(images, offsets, flips, 0).zero_()
    assert torch.equal(images, before)
