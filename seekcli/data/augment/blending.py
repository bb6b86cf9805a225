"""Random Erasing, Mixup and CutMix on normalised batches. What is drawn comes from outside: nothing here is random.

Shapes: B images, C channels, H x W pixels, K classes; an image's partner is the one at its place from the batch's end.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# timm's ranges: the share of the image that is erased, and the least height for a width of one; and its tries.
LEAST_ERASED, MOST_ERASED, LEAST_ASPECT, ERASING_TRIES = 0.02, 1 / 3, 0.3, 10


def erasing_boxes(drawn: Tensor, image_size: int) -> Tensor:
    """Uniform numbers [B, tries, 4] -> boxes int64 [B, 4] by timm's rule: top, left, bottom, right.

    Area is uniform, aspect log-uniform, place uniform over whole pixels. The first try counts whose box is narrower and
    lower than the image; where there is none the box is empty (all zeros).
    """
    sides = erasing_sides(drawn, image_size).round()
    fits = (sides < image_size).all(2)
    boxes = placed(sides, drawn[..., 2:], image_size)
    first = fits.to(torch.uint8).argmax(1)
    chosen = boxes[torch.arange(len(boxes)), first]
    return chosen * fits.any(1, keepdim=True)


def clipped_erasing_boxes(drawn: Tensor, image_size: int) -> Tensor:
    """Uniform numbers [B, 4] -> boxes int64 [B, 4], of the same areas and aspects in one try.

    A side that would not fit is cut to one pixel less than the image, and none is below one pixel.
    """
    sides = erasing_sides(drawn, image_size).round().clamp(1, max(1, image_size - 1))
    return placed(sides, drawn[..., 2:], image_size)


def erasing_sides(drawn: Tensor, image_size: int) -> Tensor:
    """Height and width in pixels, not rounded."""
    area = (LEAST_ERASED + (MOST_ERASED - LEAST_ERASED) * drawn[..., 0]) * image_size**2
    aspect = torch.exp(math.log(LEAST_ASPECT) * (1 - 2 * drawn[..., 1]))
    return torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=-1)


def placed(sides: Tensor, drawn: Tensor, image_size: int) -> Tensor:
    """Boxes of these sides, anywhere in the image with the same probability."""
    corners = (drawn * (image_size + 1 - sides)).floor().minimum(image_size - sides)
    return torch.cat([corners, corners + sides], dim=-1).to(torch.int64)


def erase(images: Tensor, boxes: Tensor, noise: Tensor) -> Tensor:
    """Put `noise` [B, C, H, W] into the box of each image; a box with nothing in it (all zeros) erases nothing."""
    top, left, bottom, right = (edge[:, None] for edge in boxes.to(images.device, non_blocking=True).unbind(1))
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return torch.where(inside[:, None], noise, images)


def shares_of(labels: Tensor, classes: int) -> Tensor:
    """Labels int64 [B] -> float32 [B, K]: each image's share of each class."""
    return functional.one_hot(labels, classes).to(torch.float32)


def mixup(images: Tensor, shares: Tensor, kept: float) -> tuple[Tensor, Tensor]:
    """`kept` of each image and its class, the rest of its partner's (Zhang et al. 2017)."""
    return images * kept + images.flip(0) * (1 - kept), shares * kept + shares.flip(0) * (1 - kept)


def cutmix_box(kept: float, row: float, column: float, image_size: int) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of 1 - `kept` of the image around (row, column), each 0 to 1; cut off at the edges."""
    side = int(image_size * math.sqrt(1 - kept))
    top, left = (min(int(place * image_size), image_size - 1) - side // 2 for place in (row, column))
    bottom, right = top + side, left + side
    return max(top, 0), max(left, 0), min(bottom, image_size), min(right, image_size)


def cutmix(images: Tensor, shares: Tensor, box: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """The box is the partner's (Yun et al. 2019); the classes have their shares of the pixels."""
    top, left, bottom, right = box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images.flip(0)[:, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
    return mixed, shares * kept + shares.flip(0) * (1 - kept)
