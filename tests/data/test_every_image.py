"""All images of a folder that is only tested on: every layout, few classes, few images; and what is refused."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from seekcli.config.layers import merge
from seekcli.data.splitting.every_image import list_every_image, load_every_image
from seekcli.errors import BadInput

CLASSES = ("cat", "café", "dog")


def fill(folder: Path, images: int = 2) -> None:
    folder.mkdir(parents=True)
    for index in range(images):
        Image.new("RGB", (4, 4), (40 * index, 0, 0)).save(folder / f"{index}.png")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("",), "all images"),
        (("test/",), "all images of test/"),
        (("train/",), "all images of train/"),
        (("Testing/", "Training/", "val/"), "all images of Testing/ and Training/ and val/"),
    ],
)
def test_every_layout_gives_all_its_images(tmp_path: Path, parts: tuple[str, ...], words: str) -> None:
    for part in parts:
        for name in CLASSES:
            fill(tmp_path / part / name)
    listing = list_every_image(tmp_path, CLASSES)
    assert len(listing.test) == 6 * len(parts)
    assert sorted(listing.test_labels) == [label for label in range(3) for _ in range(2 * len(parts))]
    assert (listing.train, listing.split) == ((), words)
    assert all(CLASSES[label] in file.path for file, label in zip(listing.test, listing.test_labels, strict=True))


def test_one_image_of_one_class_is_enough(tmp_path: Path) -> None:
    fill(tmp_path / "dog", images=1)
    listing = list_every_image(tmp_path, CLASSES)
    assert listing.test_labels == (2,)
    assert listing.split == "all images; none of 2 of the 3 classes (cat, café)"


def test_a_class_may_have_the_name_of_a_split(tmp_path: Path) -> None:
    fill(tmp_path / "bus")
    fill(tmp_path / "train" / "wagon")
    assert list_every_image(tmp_path, ("bus", "train")).test_labels == (0, 0, 1, 1)


def test_an_accent_may_be_written_in_two_ways(tmp_path: Path) -> None:
    fill(tmp_path / unicodedata.normalize("NFD", "café"))
    assert list_every_image(tmp_path, CLASSES).test_labels == (1, 1)


def test_system_folders_and_empty_classes_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path / "cat")
    fill(tmp_path / "@eaDir")
    (tmp_path / "bird").mkdir()
    assert list_every_image(tmp_path, CLASSES).test_labels == (0, 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cat", "dogg"), "unknown class 'dogg'; did you mean 'dog'?"),
        (("cat", "dog", "Test/cat"), "folders with classes of the model (cat, dog) stand beside Test/, and which"),
        (("later/cat", "test/cat"), "folders with classes of the model (later) stand beside test/, and which images"),
        (("later/cat", "later/dog"), "later/ holds classes of the model and is none of them; use --data folder:"),
        (("set/train/cat", "set/test/cat"), "the splits are inside set/; name set/ itself"),
        ((), "no images in class folders"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    for name in names:
        fill(tmp_path / name)
    with pytest.raises(BadInput) as caught:
        list_every_image(tmp_path, CLASSES)
    assert str(caught.value).startswith(f"--data folder:{tmp_path}: {message}")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--data imagenet:.*nothing: No such file"):
        list_every_image(tmp_path / "nothing", CLASSES, "imagenet")


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_the_images_are_test_images(tmp_path: Path, kind: str) -> None:
    fill(tmp_path / "test" / "dog", images=1)
    fill(tmp_path / "train" / "cat", images=2)
    data = merge([("test", {"data.name": f"{kind}:{tmp_path}", "data.image_size": 4, "data.rules": 2})]).config.data
    dataset = load_every_image(data, CLASSES)
    assert dataset.test_labels.tolist() == [0, 0, 2]
    assert (len(dataset.test_images), len(dataset.train_images), dataset.class_names) == (3, 0, CLASSES)
    assert (dataset.facts.train_images, dataset.facts.test_images, dataset.fingerprint) == (0, 3, None)
