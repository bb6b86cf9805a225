"""A small tree of JPEGs as ImageNet's: pictures of different sizes and shapes, some grey, some lying on their side."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

CLASSES = ("n01440764", "n02102040", "n03000684")
SIZES = ((40, 30), (30, 40), (64, 16), (17, 61), (33, 33), (90, 60), (25, 24))


def photograph(path: Path, number: int, size: tuple[int, int]) -> None:
    """Coarse random colours: every part of every picture looks different. Each fifth is grey, each seventh turned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = random.Random(number).randbytes(5 * 4 * 3)
    picture = Image.frombytes("RGB", (5, 4), cells).resize(size, Image.Resampling.BILINEAR)
    exif = Image.Exif()
    if number % 7 == 6:
        exif[0x0112] = 6
    (picture.convert("L") if number % 5 == 4 else picture).save(path, "JPEG", quality=90, exif=exif)


def photo_tree(root: Path, train: int = 9, val: int = 4) -> Path:
    """root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG: `train` and `val` pictures in each of three classes."""
    number = 0
    for split, images in (("train", train), ("val", val)):
        for name in CLASSES:
            for index in range(images):
                photograph(root / split / name / f"{name}_{index}.JPEG", number, SIZES[number % len(SIZES)])
                number += 1
    return root
