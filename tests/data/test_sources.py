"""Data sets by name: their facts without reading them, and that what is read agrees with the facts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from seekcli.config.settings import DataConfig
from seekcli.data.sets import cifar, digits as bundled_digits, photo_sets, synthetic
from seekcli.data.sets.kinds import KINDS
from seekcli.data.sets.sources import DataFacts, Dataset, data_facts, fingerprint_of, load
from seekcli.errors import BadInput


def data(name: str, **settings: Any) -> DataConfig:
    return DataConfig(name=name, **settings)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """train/ with 6 cats and 4 dogs, test/ with 2 of each, 8 x 8."""
    for split, counts in (("train", {"cat": 6, "dog": 4}), ("test", {"cat": 2, "dog": 2})):
        for number, (name, count) in enumerate(counts.items()):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (8, 8), (100 * number + index, 0, 0)).save(folder / f"{index}.png")
    return tmp_path / "photos"


def agrees(dataset: Dataset) -> bool:
    """Whether the images are as the facts say."""
    facts = dataset.facts
    shape = (facts.channels, facts.image_size, facts.image_size)
    return (
        dataset.train_images.shape == (facts.train_images, *shape)
        and dataset.test_images.shape == (facts.test_images, *shape)
        and dataset.train_labels.shape == (facts.train_images,)
        and dataset.test_labels.shape == (facts.test_images,)
        and dataset.train_images.dtype == dataset.test_images.dtype == torch.uint8
        and dataset.train_labels.dtype == dataset.test_labels.dtype == torch.int64
        and len(dataset.class_names) == facts.classes
        and len(dataset.mean) == len(dataset.std) == facts.channels
    )


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("digits", DataFacts("digits", 10, 1, 8, 1437, 360)),
        ("cifar10", DataFacts("cifar10", 10, 3, 32, 50_000, 10_000)),
        ("cifar100", DataFacts("cifar100", 100, 3, 32, 50_000, 10_000)),
        ("synthetic:3x16x16:7", DataFacts("synthetic:3x16x16:7:5000", 7, 3, 16, 4000, 1000)),
        ("synthetic:1x8x8:4:200", DataFacts("synthetic:1x8x8:4:200", 4, 1, 8, 160, 40)),
    ],
)
def test_facts_are_known_without_the_data(name: str, facts: DataFacts) -> None:
    assert data_facts(data(name)) == facts
    # a resolved name is a name as well
    assert data_facts(data(facts.name)) == facts


def test_the_image_size_is_the_one_asked_for() -> None:
    assert data_facts(data("cifar10", image_size=64)).image_size == 64


def test_facts_need_no_heavy_library(photos: Path) -> None:
    code = (
        "import sys; from seekcli.config.settings import DataConfig; from seekcli.data.sets.sources import data_facts\n"
        f"for name in ('digits', 'cifar10', 'synthetic:3x8x8:2', 'folder:{photos}'):\n"
        "    data_facts(DataConfig(name=name, image_size=8))\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'sklearn', 'numpy', 'PIL')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_folder_is_labelled_without_its_path(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = data_facts(data(f"folder:{photos}/", image_size=8))
    assert facts == DataFacts("folder:photos", 2, 3, 8, 10, 4)
    monkeypatch.chdir(photos)
    assert data_facts(data("folder:.", image_size=8)) == facts
    assert data_facts(data("folder:../photos", image_size=8)) == facts


def test_a_resolved_folder_is_found_by_its_dir_whatever_its_label(photos: Path, tmp_path: Path) -> None:
    facts = data_facts(data(f"folder:{photos}", image_size=8))
    assert data_facts(data(facts.name, dir=str(photos), image_size=8)) == facts
    moved = photos.rename(tmp_path / "moved")
    fingerprint = fingerprint_of(data(f"folder:{moved}", image_size=8))
    resolved = data(facts.name, dir=str(moved), image_size=8, fingerprint=fingerprint)
    assert data_facts(resolved).train_images == 10
    assert load(resolved).fingerprint == fingerprint


def test_a_home_folder_is_found(photos: Path, home: Path) -> None:
    photos.rename(home / "photos")
    assert data_facts(data("folder:~/photos", image_size=8)).name == "folder:photos"


def test_a_folder_that_is_named_as_a_data_set_is_told_how(photos: Path) -> None:
    with pytest.raises(BadInput, match=f"{photos}' is a folder: name it as --data folder:{photos}"):
        data_facts(data(str(photos), image_size=8))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar-10", "unknown --data 'cifar-10'; did you mean 'cifar10'?"),
        ("digit", "did you mean 'digits'?"),
        ("digits:8", "did you mean 'digits'?"),
        ("mnist", "one of: cifar10, cifar100, digits, flowers102, folder:DIR, hf:DIR[:IMAGE,LABEL], imagenet:DIR, npz"),
        ("synthetic", "expected synthetic:CxHxW:CLASSES[:IMAGES]"),
        ("folder:", "name the folder"),
        ("folder", "name the folder"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        data_facts(data(name, image_size=8))
    assert message in str(caught.value)


def test_a_folder_without_a_size_is_refused(photos: Path) -> None:
    with pytest.raises(BadInput, match="--image-size"):
        data_facts(data(f"folder:{photos}"))


def test_a_folder_named_twice_is_refused(photos: Path) -> None:
    with pytest.raises(BadInput, match=rf"named once, as in --data folder:{photos.parent}/photos"):
        data_facts(data("folder:photos", dir=str(photos.parent), image_size=8))


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (1437, "digits has 1437 training images; give fewer"),
        (5000, "give fewer"),
        (9, "fewer images than the 10 classes"),
    ],
)
def test_a_limit_that_is_none_is_refused(limit: int, message: str) -> None:
    with pytest.raises(BadInput, match=f"--limit-train {limit}: .*{message}"):
        data_facts(data("digits", limit_train=limit))


# --- images -----------------------------------------------------------------------------------------------------------


def test_digits_are_all_of_scikit_learns() -> None:
    digits = load(data("digits"))
    assert agrees(digits)
    assert digits.split == "stratified 80/20 split, seed 0"
    bundled = load_digits()
    expected = sorted((tuple(int(v * 255 / 16 + 0.5) for v in image.flat), int(label))
                      for image, label in zip(bundled.images, bundled.target, strict=True))  # fmt: skip
    images = torch.cat([digits.train_images, digits.test_images]).flatten(1).tolist()
    labels = torch.cat([digits.train_labels, digits.test_labels]).tolist()
    assert sorted((tuple(image), label) for image, label in zip(images, labels, strict=True)) == expected


def test_digits_are_the_same_where_scikit_learn_has_them_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    read = bundled_digits.bundled_values.__wrapped__  # which is asked once in a process
    from_file = read()
    monkeypatch.setattr(bundled_digits, "find_spec", lambda name: None)
    assert np.array_equal(read(), from_file)


def test_the_split_of_the_digits_is_stratified_and_never_changes() -> None:
    digits = load(data("digits"))
    whole = torch.bincount(torch.tensor(load_digits().target))
    assert ((torch.bincount(digits.test_labels) - whole * 360 / 1797).abs() < 1).all()
    # Accuracies are comparable only as long as this stays.
    assert digits.test_labels[:12].tolist() == [3, 4, 5, 7, 2, 2, 7, 8, 6, 4, 5, 1]
    assert int(digits.test_images.sum(dtype=torch.int64)) == 1_779_441


@pytest.mark.parametrize("name", ["digits", "synthetic:3x6x6:5:100"])
def test_statistics_are_of_the_training_images(name: str) -> None:
    dataset = load(data(name))
    values = dataset.train_images.double() / 255
    assert dataset.mean == pytest.approx(values.mean((0, 2, 3)).tolist())
    assert dataset.std == pytest.approx(values.std((0, 2, 3), correction=0).tolist())


def test_another_size_is_resized_with_its_own_statistics() -> None:
    large = load(data("digits", image_size=16))
    assert agrees(large)
    assert large.mean == pytest.approx((large.train_images.double() / 255).mean((0, 2, 3)).tolist())
    assert large.std != load(data("digits")).std


def test_a_limit_takes_training_images_alone_and_in_proportion() -> None:
    whole, part = load(data("digits")), load(data("digits", limit_train=200))
    assert agrees(part)
    assert part.facts.train_images == 200
    assert torch.equal(part.test_images, whole.test_images)
    assert (part.mean, part.std) == (whole.mean, whole.std)
    counts = torch.bincount(whole.train_labels) * 200 / 1437
    assert ((torch.bincount(part.train_labels) - counts).abs() < 1).all()
    images = {tuple(image) for image in whole.train_images.flatten(1).tolist()}
    chosen = {tuple(image) for image in part.train_images.flatten(1).tolist()}
    assert len(chosen) == 200
    assert chosen <= images
    assert part.split.endswith("; 200 of 1437 training images, stratified, seed 0")
    assert torch.equal(load(data("digits", limit_train=200)).train_images, part.train_images)


def test_a_folder_is_loaded(photos: Path) -> None:
    dataset = load(data(f"folder:{photos}", image_size=8))
    assert agrees(dataset)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train_labels.tolist() == [0] * 6 + [1] * 4
    assert dataset.train_images[:, 0, 0, 0].tolist() == [*range(6), *range(100, 104)]
    assert dataset.std[1:] == (1.0, 1.0)


def test_a_limited_folder(photos: Path) -> None:
    dataset = load(data(f"folder:{photos}", image_size=8, limit_train=5))
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1]
    assert agrees(dataset)


def test_a_folder_that_changed_since_the_run_began_is_refused(photos: Path) -> None:
    fingerprint = fingerprint_of(data(f"folder:{photos}", image_size=8))
    (photos / "train" / "cat" / "0.png").unlink()
    with pytest.raises(BadInput, match="its files are not those that this run was made for"):
        load(data("folder:photos", dir=str(photos), image_size=8, fingerprint=fingerprint))


def test_synthetic_images_are_loaded() -> None:
    assert agrees(load(data("synthetic:2x5x5:3:30")))


def test_test_images_of_digits_are_as_many_as_asked_for_and_the_rest_is_trained_on() -> None:
    data = DataConfig(name="digits", test_images=1297)
    facts, dataset = data_facts(data), load(data)
    assert (facts.train_images, facts.test_images) == (500, 1297)
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (500, 1297)
    train, test = dataset.train_labels.bincount(), dataset.test_labels.bincount()
    assert ((train - 500 / 1797 * (train + test)).abs() < 1).all()  # each class in proportion
    assert "1297 of them for test" in dataset.split


def test_the_usual_test_images_of_digits_are_among_the_more_of_a_larger_split() -> None:
    usual, larger = load(DataConfig(name="digits")), load(DataConfig(name="digits", test_images=1297))
    in_larger = {image.numpy().tobytes() for image in larger.test_images}
    assert sum(image.numpy().tobytes() in in_larger for image in usual.test_images) >= 355


@pytest.mark.parametrize(
    ("name", "images", "problem"),
    [("digits", 1790, "between 10 and 1787"), ("digits", 3, "between 10"), ("synthetic:1x8x8:2", 10, "digits alone")],
)
def test_an_impossible_number_of_test_images_is_bad_input(name: str, images: int, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        data_facts(DataConfig(name=name, test_images=images))


def test_every_kind_of_data_is_said_in_words() -> None:
    """`seek list data` and a shell know them without the code that reads them."""
    forms = {"digits", *cifar.CLASS_COUNTS, *photo_sets.SETS, synthetic.FORM} | {
        "folder:DIR",
        "imagenet:DIR",
        "npz:FILE",
        "hf:DIR[:IMAGE,LABEL]",
        "wds:PATTERN",
        "text:FILE",
    }
    assert {kind.form for kind in KINDS.values()} == forms
    assert all(kind.about for kind in KINDS.values())


@pytest.mark.parametrize(
    ("name", "word"),
    [("photos/a/", "folder"), ("a.npz", "npz"), ("a.tar", "wds"), ("tars/0.tar", "wds"), ("set/state.json", "hf")],
)
def test_a_bare_path_is_told_how_to_be_named(tmp_path: Path, name: str, word: str) -> None:
    place = tmp_path / name
    (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
    if not name.endswith("/"):
        place.write_bytes(b"")
    bare = tmp_path / name.partition("/")[0]
    with pytest.raises(BadInput, match=rf"name it as --data {word}:{re.escape(str(bare))}$"):
        data_facts(DataConfig(name=str(bare)))


@pytest.mark.parametrize(("name", "word"), [("train/data-0.tar", "wds"), ("train/state.json", "hf")])
def test_a_folder_of_other_data_is_told_how_to_be_named(tmp_path: Path, name: str, word: str) -> None:
    place = tmp_path / "it" / name.removeprefix("train/" if word == "wds" else "")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    with pytest.raises(BadInput, match=rf"name what is there as --data {word}:{re.escape(str(tmp_path / 'it'))}"):
        data_facts(DataConfig(name=f"folder:{tmp_path / 'it'}", rules=2, image_size=8))
