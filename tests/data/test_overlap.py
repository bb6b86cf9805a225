"""Training images among the test images: counted and named, of files by their bytes, else by their pixels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from seekcli.config.layers import merge
from seekcli.config.settings import DataConfig
from seekcli.data.sets import identity
from seekcli.data.sets.sources import load
from seekcli.data.splitting.overlap import overlap_note, watched_overlap_note


def data_of(name: str, **settings: object) -> DataConfig:
    return merge(
        [("test", {"data.name": name} | {f"data.{key}": value for key, value in settings.items()})]
    ).config.data


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for level, (split, name) in enumerate((s, c) for s in ("train", "val") for c in ("cat", "dog")):
        for index in range(3):
            path = tmp_path / "photos" / split / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (10 * level + index, 0, 0)).save(path)
    return tmp_path / "photos"


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_files_of_both_splits_are_counted_and_named(photos: Path, kind: str) -> None:
    data = data_of(f"{kind}:{photos}", image_size=4, rules=2)
    assert overlap_note(data) is None
    shutil.copy(photos / "train" / "cat" / "1.png", photos / "val" / "cat" / "copy.png")
    shutil.copy(photos / "train" / "dog" / "2.png", photos / "val" / "cat" / "wrong.png")
    assert overlap_note(data) == (
        "2 of 8 test images are training images too, 1 of them under another class "
        "(val/cat/copy.png is train/cat/1.png, val/cat/wrong.png is train/dog/2.png)"
    )


def test_an_image_that_is_trained_on_under_two_classes_is_told(photos: Path) -> None:
    """Whichever of the two comes first: it lies in the class of the test image, and in another one."""
    for name in ("cat", "dog"):
        shutil.copy(photos / "val" / name / "0.png", photos / "train" / "cat" / f"{name}.png")
        shutil.copy(photos / "val" / name / "0.png", photos / "train" / "dog" / f"{name}.png")
    assert overlap_note(data_of(f"folder:{photos}", image_size=4, rules=2)) == (
        "2 of 6 test images are training images too, 2 of them under another class "
        "(val/cat/0.png is train/dog/cat.png, val/dog/0.png is train/cat/dog.png)"
    )


def test_of_a_streamed_tree_it_is_said_that_a_sample_was_looked_at(photos: Path, monkeypatch) -> None:
    monkeypatch.setattr(identity, "SAMPLE_FILES", 11)
    for index in range(3):
        shutil.copy(photos / "train" / "cat" / f"{index}.png", photos / "val" / "cat" / f"{index}.png")
    note = overlap_note(data_of(f"imagenet:{photos}", image_size=4, rules=2))
    assert note is not None
    assert "training images too, looked for among a fixed sample of 11 of 12 files (" in note
    whole = overlap_note(data_of(f"imagenet:{photos}", image_size=4, rules=2, whole_digest=True))
    assert whole is not None
    assert whole.startswith("3 of 6 test images are training images too (")


def test_images_in_memory_are_compared_by_their_pixels() -> None:
    data = data_of("synthetic:1x4x4:2:40")
    dataset = load(data)
    assert overlap_note(data, dataset) is None
    assert overlap_note(data) is None
    test = dataset.test_images.clone()
    test[3] = dataset.train_images[5]
    labels = dataset.test_labels.clone()
    labels[3] = dataset.train_labels[5]
    found = overlap_note(data, replace(dataset, test_images=test, test_labels=labels))
    assert found == "1 of 8 test images are training images too (test image 3 is training image 5)"


def test_the_digits_share_no_image() -> None:
    data = data_of("digits")
    assert overlap_note(data, load(data)) is None


def test_validation_and_held_out_images_that_are_trained_on_are_told() -> None:
    dataset = load(data_of("synthetic:1x4x4:2:40"))
    assert watched_overlap_note(dataset) is None
    twins = {"images": dataset.train_images[[5, 6]], "labels": dataset.train_labels[[5, 6]]}
    one = replace(dataset, holdout_images=twins["images"][:1], holdout_labels=twins["labels"][:1])
    assert watched_overlap_note(one) == (
        "1 of 1 held-out image is a training image too (held-out image 0 is training image 5)"
    )
    both = replace(one, validation_images=twins["images"], validation_labels=twins["labels"])
    assert str(watched_overlap_note(both)).startswith("2 of 2 validation images are training images too (validation ")
