"""F_XY by images: as recorded, from the training FLOPs of older runs, else by steps and said so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_folders import MACS, Results

# 20 epochs of 20 batches, the last of them of 10 images. 64 of 400 steps are motivated, 4 of these are last batches.
TRAIN_IMAGES = 19 * 64 + 10
ALL, MOTIVATED = 20 * TRAIN_IMAGES, 60 * 64 + 4 * 10
F_X, F_Y = MACS["resnet20"], MACS["resnet32"]
FLOPS = 6 * (F_X * (ALL - MOTIVATED) + F_Y * MOTIVATED)
NOT_RECORDED = {"base_images": None, "motivated_images": None}
BY_IMAGES, BY_STEPS = F_X + MOTIVATED / ALL * (F_Y - F_X), F_X + 0.16 * (F_Y - F_X)


def add(results: Results, columns: dict[str, object], **settings: object) -> None:
    path: Path = results.add(motivated_steps=64, columns=columns, **settings) / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["facts"]["train_images"] = TRAIN_IMAGES
    path.write_text(json.dumps(tree), encoding="utf-8")


def f_xy(results: Results) -> tuple[float, bool]:
    """And whether a note says that it is by steps."""
    (cell,) = results.compare().cells
    return cell.arms[0].efficiency.f_xy, any("is by steps in 1 of its runs" in note for note in cell.notes)


def test_recorded_images_are_taken(results: Results) -> None:
    add(results, {"base_images": ALL - MOTIVATED, "motivated_images": MOTIVATED})
    assert f_xy(results) == (pytest.approx(BY_IMAGES), False)


def test_an_older_run_says_it_by_its_training_flops(results: Results) -> None:
    add(results, {**NOT_RECORDED, "train_flops": FLOPS})
    assert f_xy(results) == (pytest.approx(BY_IMAGES, rel=1e-12), False)


@pytest.mark.parametrize(
    ("flops", "settings"),
    [
        (FLOPS, {"data__train_size": 6}),
        (FLOPS + 2 * (F_Y - F_X), {}),  # a third of an image
        (6 * (F_X * ALL + 64 * 65 * (F_Y - F_X)), {}),  # more images than so many steps take
    ],
)
def test_else_it_is_by_steps(results: Results, flops: float, settings: dict[str, object]) -> None:
    add(results, {**NOT_RECORDED, "train_flops": flops}, **settings)
    assert f_xy(results) == (pytest.approx(BY_STEPS), True)
