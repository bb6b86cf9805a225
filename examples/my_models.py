"""Two nested convolutional networks for `seek train` (docs/own_models.md): the larger one is deeper and wider.

cd examples && seek train --base my_models:tiny --motivated my_models:large --data my_data:load --epochs 5
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Adds to its input [B, width, H, W] what a 3x3 convolution finds in it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.bn(self.conv(x)))


class Net(nn.Module):
    """[B, channels, H, W] -> logits [B, classes]."""

    def __init__(self, classes: int, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


def tiny(classes: int, channels: int, image_size: int) -> nn.Module:
    return Net(classes, channels, width=8, depth=2)


def large(classes: int, channels: int, image_size: int) -> nn.Module:
    return Net(classes, channels, width=12, depth=4)
