"""What training images go through, as plain values: everything off is the default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """Each by the name of its setting under `[augment]`, which says more of it (`seek list settings`)."""

    crop_padding: int = 0  # pixels
    flip: bool = False
    resized_crop_area: float = 0.0  # least share of the image; 0 is off
    resized_crop_rule: Literal["clipped", "torchvision"] = "clipped"
    repeats: int = 1
    randaugment_ops: int = 0  # per image; 0 is off
    randaugment_magnitude: float = 9.0
    randaugment_policy: Literal["torchvision", "timm"] = "torchvision"
    autoaugment: Literal["none", "cifar10"] = "none"
    erasing_probability: float = 0.0
    erasing_rule: Literal["clipped", "timm"] = "clipped"
    mixup_alpha: float = 0.0  # 0 is off
    cutmix_alpha: float = 0.0  # 0 is off
