"""Random crop and flip for a whole batch at once. What is drawn comes from outside: nothing here is random.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(images: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Pad by `padding` zero pixels, crop each image back to H x W at its own place, mirror some of them left to right.

    images uint8 [B, C, H, W]; offsets int64 [B, 2], row and column of the crop in the padded image, 0..2*padding (the
    middle, `padding`, leaves the image where it is); flips bool [B], applied after the crop. All on one device; returns
    a new uint8 [B, C, H, W]. Needs no answer from the device, so a GPU is never waited for.
    """
    batch, channels, height, width = images.shape
    padded = functional.pad(images, (padding, padding, padding, padding))
    columns = torch.arange(width, device=images.device)
    columns = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - columns, columns)  # [B, W], read right to left
    rows = offsets[:, :1] + torch.arange(height, device=images.device)  # [B, H]
    source = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]  # [B, H, W], in the flattened padded image
    source = source.view(batch, 1, height * width).expand(batch, channels, height * width)
    return padded.view(batch, channels, -1).gather(2, source).view(images.shape)
