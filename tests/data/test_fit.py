"""`data.fit`: which pixels of a photograph a square shows, in memory and streamed, in training and evaluation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

from bad_input import error_of, seek
from tiny import tiny

from seekcli.config.identity import run_id
from seekcli.config.value_types import Fit
from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view
from seekcli.data.images.decoding import decode_files, rule_of
from seekcli.documents import read_document


def bands(path: Path, size: tuple[int, int], horizontal: bool) -> Path:
    """Three bands, dark, middle and light, along the longer side."""
    width, height = size
    levels = np.repeat([60, 120, 180], (width if horizontal else height) // 3)
    pixels = np.tile(levels, (height, 1)) if horizontal else np.tile(levels[:, None], (1, width))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(path)
    return path


def both_ways(path: Path, size: int, fit: Fit) -> list[np.ndarray]:
    """[size, size], the image in memory and streamed; all three channels are equal."""
    memory = decode_files([str(path)], size, fit=fit)[0].transpose(1, 2, 0)
    streamed = decode_view(CropRule(size, fit=fit), ImageRequest(str(path), 0, 0))
    return [memory[..., 0], streamed[..., 0]]


@pytest.mark.parametrize("wide", [True, False])
def test_padding_shows_the_whole_image_in_the_middle_of_black(tmp_path: Path, wide: bool) -> None:
    path = bands(tmp_path / "a.png", (48, 24) if wide else (24, 48), wide)
    for pixels in both_ways(path, 12, "pad"):
        pixels = pixels if wide else pixels.T
        assert pixels[:3].max() == pixels[9:].max() == 0
        assert pixels[3:9].min() > 0
        assert pixels[6, [1, 6, 10]].tolist() == pytest.approx([60, 120, 180], abs=2)


@pytest.mark.parametrize("wide", [True, False])
def test_stretching_shows_the_whole_image_in_the_whole_square(tmp_path: Path, wide: bool) -> None:
    path = bands(tmp_path / "a.png", (48, 24) if wide else (24, 48), wide)
    for pixels in both_ways(path, 12, "stretch"):
        pixels = pixels if wide else pixels.T
        assert np.ptp(pixels, axis=0).max() <= 1
        assert pixels[0, [1, 6, 10]].tolist() == pytest.approx([60, 120, 180], abs=2)


def test_cropping_shows_the_middle(tmp_path: Path) -> None:
    path = bands(tmp_path / "a.png", (72, 24), True)
    for pixels in both_ways(path, 12, "crop"):
        assert 110 < pixels.min() <= pixels.max() < 130


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000)])
def test_the_longest_panorama_keeps_a_line(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "white").save(tmp_path / "a.png")
    for pixels in both_ways(tmp_path / "a.png", 10, "pad"):
        assert (pixels > 0).sum() == 10


def test_turned_jpegs_read_at_a_fraction_are_fitted_as_they_are_seen(tmp_path: Path) -> None:
    """Upright they are wider than high; 960 pixels are read at an eighth."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (480, 960), (200, 200, 200)).save(tmp_path / "a.jpg", exif=exif)
    for pixels in both_ways(tmp_path / "a.jpg", 24, "pad"):
        assert pixels[:6].max() == pixels[18:].max() == 0
        assert pixels[6:18].min() > 190


def test_random_crops_are_of_the_fitted_square() -> None:
    requests = [ImageRequest("a", 1, position) for position in range(200)]
    padded = [CropRule(8, least_area=0.08, fit="pad").box(400, 200, request) for request in requests]
    assert any(top < 0 for _, top, _, _ in padded)
    assert min(top for _, top, _, _ in padded) >= -100
    assert max(bottom for _, _, _, bottom in padded) <= 300
    stretched = [CropRule(8, least_area=0.08, fit="stretch").box(400, 200, request) for request in requests]
    shapes = [(right - left) / (bottom - top) for left, top, right, bottom in stretched]
    assert 1.4 < min(shapes) < max(shapes) < 2.8  # 3/4 to 4/3 in the square, of an image twice as wide as high
    assert all(0 <= left < right <= 400 and 0 <= top < bottom <= 200 for left, top, right, bottom in stretched)


def test_a_box_beside_the_image_is_black(tmp_path: Path) -> None:
    bands(tmp_path / "a.png", (48, 3), True)
    seen = [
        decode_view(CropRule(6, least_area=0.01, fit="pad", seed=seed), ImageRequest(str(tmp_path / "a.png"), 0, 0))
        for seed in range(20)
    ]
    assert any(pixels.max() == 0 for pixels in seen)
    assert any(pixels.max() > 0 for pixels in seen)


def test_the_default_is_what_it_was_and_the_others_are_runs_of_their_own(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            for index in range(2):
                bands(tmp_path / split / name / f"{index}.png", (6 + index, 3), True)

    def id_of(**settings: Any) -> str:
        return run_id(
            tiny(data__name=f"imagenet:{tmp_path}", data__image_size=8, train__batch_size=2, **settings).config
        )

    assert id_of() == id_of(data__fit="crop") != id_of(data__test_crop=0.5)
    assert len({id_of(), id_of(data__fit="pad"), id_of(data__fit="stretch")}) == 3
    assert id_of(data__fit="pad") == id_of(data__fit="pad", data__test_crop=0.5)
    assert len({rule_of(None, "crop"), rule_of(None, "pad"), rule_of(None, "stretch")}) == 3


def test_it_is_for_photographs_alone() -> None:
    words = error_of(seek("train", "--dry-run", "--set", "data.fit=pad"))
    assert "data.fit pad is for photographs of any shape, and the images of digits are square" in words
    assert seek("train", "--dry-run", "--data", "pets", "--set", "data.fit=pad").exit_code == 0
    assert "crop" in error_of(seek("train", "--dry-run", "--set", "data.fit=croq"))


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_a_run_its_card_and_its_evaluation_of_other_data_fit_alike(tmp_path: Path, kind: str) -> None:
    for split, images in (("train", 6), ("val", 2)):
        for name, horizontal in (("a", True), ("b", False)):
            for index in range(images):
                bands(tmp_path / "data" / split / name / f"{index}.png", (48 + index, 24), horizontal)
    words = ("--data", f"{kind}:{tmp_path / 'data'}", "--image-size", 8, "--set", "data.fit=pad")
    run = ("--model", "resnet8-to-14", "--schedule", "base", "--recipe", "digits", "--epochs", 1, "--batch-size", 4)
    ahead = seek("train", *words, *run, "--dry-run")
    assert "images padded to squares with black" in ahead.stdout, ahead.output
    trained = seek("train", *words, *run, "--progress", "plain", "--out", tmp_path / "results")
    assert trained.exit_code == 0, (trained.output, trained.exception)
    (folder,) = (tmp_path / "results" / "runs").glob("r*")
    assert seek("export", folder, "--to", tmp_path / "export").exit_code == 0
    card = read_document(tmp_path / "export" / "resnet8-base.json")
    assert (card["input"]["fit"], card["input"]["test_crop"]) == ("pad", None)

    def evaluated(data: Path) -> dict[str, Any]:
        name = f"{kind}:{data}"
        (answer,) = json.loads(seek("evaluate", tmp_path / "export", "--data", name, "--format", "json").stdout)
        return dict(answer)

    assert evaluated(tmp_path / "data")["equals_recorded"] is True
    square, wide = tmp_path / "square", tmp_path / "wide"
    bands(wide / "test" / "a" / "0.png", (48, 24), True)
    path = str(wide / "test" / "a" / "0.png")
    in_memory = decode_files([path], 8, fit="pad")[0].transpose(1, 2, 0)
    fitted = in_memory if kind == "folder" else decode_view(CropRule(8, fit="pad"), ImageRequest(path, 0, 0))
    (square / "test" / "a").mkdir(parents=True)
    Image.fromarray(np.ascontiguousarray(fitted)).save(square / "test" / "a" / "0.png")
    assert "images padded to squares" in evaluated(wide)["images_taken"]
    assert evaluated(wide)["test_loss"] == evaluated(square)["test_loss"]
    if kind == "folder":  # named sets of square images need no fitting
        assert "3 classes" in error_of(seek("evaluate", tmp_path / "export", "--data", "synthetic:3x8x8:3:30"))
