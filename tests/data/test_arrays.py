"""Sizes, subsets and statistics of images in memory."""

from __future__ import annotations

import pytest
import torch

from seekcli.data.images import arrays
from seekcli.data.images.arrays import Arrays, channel_stats, require_memory, resized
from seekcli.errors import BadInput


def random_images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(600, 3, 7, 7), (5, 1, 300, 300), (2, 2, 256, 256)])
def test_statistics_are_those_of_all_pixels(shape: tuple[int, ...]) -> None:
    images = random_images(*shape)
    mean, std = channel_stats(images)
    values = images.double() / 255
    assert mean == pytest.approx(values.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert std == pytest.approx(values.std((0, 2, 3), correction=0).tolist(), rel=1e-12)


def test_statistics_of_the_brightest_images_are_exact() -> None:
    """Where float32 sums would first go wrong."""
    images = torch.full((3, 1, 256, 256), 255, dtype=torch.uint8)
    images[0, 0, 0, 0] = 254
    total = images.numel()
    first, second = 255 * total - 1, 255**2 * total - 255**2 + 254**2
    assert arrays.level_sums(images) == [(first, second)]


def test_statistics_do_not_depend_on_the_order_of_the_images() -> None:
    images = random_images(600, 3, 5, 5)
    assert channel_stats(images) == channel_stats(images.flip(0))


def test_a_channel_without_contrast_can_be_divided_by() -> None:
    images = random_images(10, 2, 4, 4)
    images[:, 1] = 51
    mean, std = channel_stats(images)
    assert (mean[1], std[1]) == (pytest.approx(0.2), 1.0)


def test_resizing_averages_when_it_shrinks() -> None:
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    images[..., ::2] = 200  # stripes, finer than the target's pixels
    small = resized(images, 2)
    assert small.shape == (1, 1, 2, 2)
    assert small.dtype == torch.uint8
    assert 90 <= small.min() <= small.max() <= 110


def test_resizing_keeps_flat_images_and_every_image_of_many() -> None:
    images = torch.arange(1500).remainder(256).to(torch.uint8).view(-1, 1, 1, 1).repeat(1, 2, 3, 3)
    assert torch.equal(resized(images, 5), images[:, :, :1, :1].expand(-1, -1, 5, 5))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    images = random_images(4, 3, 6, 6)
    assert torch.equal(resized(images, 6), images)


def test_a_subset_takes_images_and_labels_together() -> None:
    images = random_images(6, 1, 2, 2)
    both = Arrays(images, torch.arange(6), images[:2], torch.arange(2), ("a", "b"), "given")
    part = both.with_training_images([4, 1], "less")
    assert torch.equal(part.train_images, images[[4, 1]])
    assert part.train_labels.tolist() == [4, 1]
    assert torch.equal(part.test_images, images[:2])
    assert part.split == "less"


def test_more_images_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "memory_bytes", lambda: 3 * 32 * 32 * 10)
    require_memory("--data x", 10, 3, 32)
    with pytest.raises(BadInput, match=r"--data x: 11 images at 32x32 need 33.8 kB of.*has 30.7 kB.*--image-size"):
        require_memory("--data x", 11, 3, 32)


def test_a_system_that_does_not_say_how_much_memory_it_has_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(arrays.os, "sysconf")
    require_memory("--data x", 10**9, 3, 1000)
