"""Arrays of images and labels in a .npz file: which spellings and shapes are read, and what is refused in one line."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labelled_sets import CLASSES, as_npz, both_splits
from PIL import Image
from tiny import tiny

from seekcli.config.settings import DataConfig
from seekcli.data.sets.sources import data_facts, fingerprint_of, load
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.every_image import load_every_image
from seekcli.errors import BadInput

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def saved(folder: Path, **arrays: Any) -> DataConfig:
    np.savez(folder / "some.npz", **arrays)
    return DataConfig(name=f"npz:{folder / 'some.npz'}", rules=2)


def with_test(images: np.ndarray = GREY, labels: Any = LABELS) -> dict[str, Any]:
    return {"train_images": images, "train_labels": labels, "test_images": images[:2], "test_labels": labels[:2]}


def refused(folder: Path, **arrays: Any) -> str:
    data = saved(folder, **arrays)
    with pytest.raises(BadInput) as caught:
        load(data)
    message = str(caught.value)
    assert message.startswith(f"--data npz:{folder / 'some.npz'}: ")
    assert "\n" not in message
    return message.removeprefix(f"--data npz:{folder / 'some.npz'}: ")


@pytest.mark.parametrize(
    "keys",
    [
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_test", "y_test"),  # Keras
        ("X_train", "Y_train", "X_val", "Y_val"),
        ("train_x", "train_y", "valid_x", "valid_y"),
        ("images", "labels", "test_images", "test_labels"),
        ("image_train", "label_train", "image_test", "label_test"),
    ],
)
def test_the_usual_spellings_are_known(tmp_path: Path, keys: tuple[str, ...]) -> None:
    dataset = load(saved(tmp_path, **dict(zip(keys, with_test().values(), strict=True))))
    assert np.array_equal(dataset.train_images[:, 0].numpy(), GREY)
    assert np.array_equal(dataset.test_images[:, 0].numpy(), GREY[:2])
    assert dataset.train_labels.tolist() == LABELS.tolist()
    assert dataset.class_names == ("0", "1")
    assert (dataset.facts.name, dataset.facts.channels, dataset.facts.image_size) == ("npz:some.npz", 1, 5)


def test_a_medmnist_file_is_tested_on_its_test_split_and_its_validation_split_is_left_alone(tmp_path: Path) -> None:
    images = np.stack([GREY] * 3, axis=-1)
    arrays = {f"{split}_images": images for split in ("train", "val", "test")}
    labels = {f"{split}_labels": LABELS[:, None].astype(np.uint8) for split in ("train", "val", "test")}
    data = saved(tmp_path, **arrays, **labels)
    dataset = load(data)
    assert dataset.facts.channels == 3
    assert dataset.split == "train and test as given; validation left alone"
    assert summary_ahead(data) == dataset.summary


@pytest.mark.parametrize("labels", [None, np.full(2, -1), np.full((2, 1), -1.0)])
def test_a_test_split_without_labels_is_left_alone(tmp_path: Path, labels: Any) -> None:
    arrays = {"train_images": GREY, "train_labels": LABELS, "test_images": GREY[:2, :4, :4]}
    data = saved(tmp_path, **arrays, **({} if labels is None else {"test_labels": labels}))
    assert load(data).split == "stratified 80/20 split, seed 0 of train; test (no labels) left alone"
    of_all = load_every_image(data.model_copy(update={"image_size": 5}), ("0", "1"))
    assert of_all.split == "all images of train"


def test_without_a_test_split_a_fifth_is_set_aside_of_each_class(tmp_path: Path) -> None:
    images = np.arange(40 * 4, dtype=np.uint8).reshape(40, 2, 2)
    dataset = load(saved(tmp_path, images=images, labels=np.array([0] * 36 + [1] * 4)))
    assert dataset.split == "stratified 80/20 split, seed 0"
    assert sorted(dataset.test_labels.tolist()) == [0] * 7 + [1]
    seen = torch.cat([dataset.train_images, dataset.test_images])[:, 0, 0, 0]
    assert sorted(seen.tolist()) == images[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY[..., None], GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (np.stack([GREY] * 3, axis=1), np.stack([GREY] * 3, axis=1)),
        (GREY.astype(np.int64), GREY[:, None]),
        (GREY.astype(np.float32), GREY[:, None]),
        ((GREY / 255).astype(np.float32), GREY[:, None]),
        (GREY > 100, ((GREY > 100) * 255)[:, None]),
        (
            np.stack([GREY, GREY, GREY, np.where(GREY > 100, 255, 0).astype(np.uint8)], axis=-1),
            np.stack([np.where(GREY > 100, GREY, 255)] * 3, axis=1),  # transparent pixels on white
        ),
    ],
    ids=["NHWC", "NCHW", "NCHW in colour", "int64", "whole floats", "floats to 1", "bool", "with alpha"],
)
def test_shapes_and_types_that_can_only_be_meant_one_way(
    tmp_path: Path, images: np.ndarray, expected: np.ndarray
) -> None:
    dataset = load(saved(tmp_path, **with_test(images)))
    assert dataset.train_images.dtype == torch.uint8
    assert np.array_equal(dataset.train_images.numpy(), expected)
    assert np.array_equal(dataset.test_images.numpy(), expected[:2])


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        (np.array([[0], [1]] * 3), None, ("0", "1")),
        (np.array([0, 2] * 3), None, ("0", "2")),
        (np.array([10, 9] * 3), None, ("9", "10")),
        (np.array([0.0, 1.0] * 3), None, ("0", "1")),
        (np.array([[1, 0, 0], [0, 0, 1]] * 3), None, ("0", "2")),
        (np.array(["dog", "cat"] * 3), None, ("cat", "dog")),
        (np.array([b"dog", b"cat"] * 3), None, ("cat", "dog")),
        (np.array(["07", "1"] * 3), None, ("1", "7")),
        (np.array([1, 0] * 3), ["dog", "cat"], ("dog", "cat")),
        (np.array([2, 0] * 3), ["dog", "ant", "cat"], ("dog", "cat")),
    ],
)
def test_labels_that_are_clear(tmp_path: Path, labels: np.ndarray, names: Any, expected: tuple[str, ...]) -> None:
    dataset = load(saved(tmp_path, **with_test(labels=labels), **({} if names is None else {"class_names": names})))
    assert dataset.class_names == expected
    of_each = [expected[label] for label in dataset.train_labels.tolist()]
    assert len(set(of_each[::2])) == len(set(of_each[1::2])) == 1
    assert ("1 class (ant) without a training image left out" in dataset.split) == ("ant" in (names or ()))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 0.5] * 3), "train_labels: label 0.5 of image 1: whole numbers or texts are needed"),
        (np.array([0, np.nan] * 3), "train_labels: label nan of image 1: whole numbers"),
        (np.array([0, -1] * 3), "train_labels: label -1 of image 1: classes are counted from 0"),
        (np.array([[0, 1], [1, 1]] * 3), "train_labels: labels of shape [6, 2]: one label an image is needed"),
        (np.array([0, 1]), "train_labels has 2 labels and train_images 6 images: one each"),
        (np.array([3] * 6), "one class only (3); it takes two or more"),
        (np.array(["a", ""] * 3), "the label of image 1 is empty"),
        (np.array([0j, 1] * 3), "train_labels: labels of type complex128"),
        (np.array([0, 2**63] * 3, dtype=np.uint64), "label 9223372036854775808 of image 1: the most that it may be is"),
        (np.array(["a", "b"] * 3, dtype=object), "not unpickled; save it as plain numbers, or as texts by .astype("),
        (np.array([-1] * 6), "its training images (train) have no labels"),
    ],
)
def test_labels_that_are_not_clear_are_refused(tmp_path: Path, labels: np.ndarray, words: str) -> None:
    assert words in refused(tmp_path, train_images=GREY, train_labels=labels)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (GREY.reshape(6, 25), "train_images: images of shape [6, 25]: [N, H, W], [N, H, W, C] or [N, C, H, W] is"),
        (np.zeros((6, 2, 5, 5)), "images of shape [6, 2, 5, 5]: 1 or 3 channels are needed"),
        (np.zeros((6, 3, 4, 3)), "images of shape [6, 3, 4, 3] may be [N, H, W, C] or [N, C, H, W]"),
        (GREY / 100, ": 0..1, or whole numbers 0..255, are needed"),
        (GREY / 255 - 0.5, "train_images has values from -0."),
        (GREY.astype(np.uint16) * 16, ": 0..255, or 0..1 as floats, is needed (images as they are, not normalised)"),
        (GREY * np.float32("nan"), "train_images has values that are not finite"),
        (GREY.astype("U3"), "train_images: images of type <U3: numbers are needed"),
        (np.array([None] * 6, dtype=object), "train_images holds Python objects, which are not unpickled"),
    ],
)
def test_images_that_are_not_clear_are_refused(tmp_path: Path, images: np.ndarray, words: str) -> None:
    assert words in refused(tmp_path, train_images=images, train_labels=LABELS)


def test_floats_are_rounded_to_the_nearest_level(tmp_path: Path) -> None:
    images = np.full((4, 2, 2), 0.998, dtype=np.float32)  # 254.49; 1 / 510 more is the next level
    images[::2] = 0.5, 0.999
    dataset = load(
        saved(tmp_path, train_images=images, train_labels=LABELS[:4], test_images=images, test_labels=LABELS[:4])
    )
    assert sorted(set(dataset.train_images.flatten().tolist())) == [128, 254, 255]


def test_both_splits_are_brought_to_0_to_255_by_one_rule(tmp_path: Path) -> None:
    arrays = with_test((GREY / 255).astype(np.float64))
    message = refused(tmp_path, **arrays | {"test_images": GREY[:2]})
    assert message == (
        f"train_images has floats up to {GREY.max() / 255:g} and test_images values up to {GREY[:2].max()}: all 0..1 "
        "as floats, or all 0..255, are needed"
    )
    assert (
        "images of train_images are 5x5 in 1 channel and those of test_images 4x4 in 1 channel: one shape"
        in refused(tmp_path, **with_test() | {"test_images": GREY[:2, :4, :4]})
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": GREY, "b": LABELS}, "no array of images (expected images and labels, train_images, "),
        ({}, "there is nothing"),
        ({"x_train": GREY}, "x_train has no labels beside it (expected images and labels"),
        ({"images": GREY, "labels": LABELS, "y_test": LABELS}, "y_test has no images beside it"),
        ({"x": GREY, "images": GREY, "y": LABELS}, "x and images may both be meant; keep one of them"),
        ({"test_images": GREY, "test_labels": LABELS}, "none of its splits is called train (there is test)"),
        (with_test() | {"test_labels": np.array([0, 7])}, "class in test: '7' (one of: 0, 1)"),
    ],
)
def test_keys_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    assert words in refused(tmp_path, **arrays)


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    def said(file: Path) -> str:
        with pytest.raises(BadInput) as caught:
            data_facts(DataConfig(name=f"npz:{file}", rules=2))
        return str(caught.value)

    np.save(tmp_path / "single.npy", GREY)
    assert "it holds a single array: np.savez(FILE, images=..., labels=...) writes several" in said(
        tmp_path / "single.npy"
    )
    assert said(tmp_path / "none.npz").endswith("none.npz: no such file")
    assert "is a folder; name a .npz file in it" in said(tmp_path)
    whole = as_npz(tmp_path / "some.npz", both_splits())
    half = tmp_path / "half.npz"
    half.write_bytes(whole.read_bytes()[:600])
    assert "half.npz: is damaged, or no .npz file (" in said(half)
    with zipfile.ZipFile(half, "w") as archive:
        archive.writestr("labels.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("labels.npy", b"")
    assert said(half).endswith("half.npz: labels.npy is in it twice")
    damaged = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as archive:
        start = archive.getinfo("train_images.npy").header_offset + 1000
    damaged[start : start + 8] = bytes(8 * [9])
    (tmp_path / "flipped.npz").write_bytes(damaged)
    with pytest.raises(BadInput, match=r"train_images is damaged, or no array \(Bad CRC-32 "):
        load(DataConfig(name=f"npz:{tmp_path / 'flipped.npz'}", rules=2))


def test_it_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    file = as_npz(tmp_path / "some.npz", both_splits())
    data = DataConfig(name=f"npz:{file}", rules=2)
    before = fingerprint_of(data)
    copy = DataConfig(name=f"npz:{shutil.copy(file, tmp_path / 'other.npz')}", rules=2)
    assert fingerprint_of(copy) == before
    as_npz(file, both_splits(), class_names=np.array(CLASSES[::-1]))
    assert fingerprint_of(data) != before
    resolved = data.model_copy(update={"fingerprint": before})
    with pytest.raises(BadInput, match=r"npz:.*some\.npz: its files are not those that this run was made for"):
        load(resolved)


def test_other_sizes_and_shapes_are_made_as_those_of_photographs_are(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (6, 10, 20, 3), dtype=np.uint8)
    data = saved(tmp_path, **with_test(wide))
    assert data_facts(data).image_size == 10
    assert np.array_equal(load(data).train_images.numpy(), wide[:, :, 5:15].transpose(0, 3, 1, 2))
    padded = load(data.model_copy(update={"fit": "pad", "image_size": 20})).train_images.numpy()
    assert np.array_equal(padded[:, :, 5:15], wide.transpose(0, 3, 1, 2))
    assert padded[:, :, :5].max() == padded[:, :, 15:].max() == 0
    small = load(data.model_copy(update={"image_size": 4})).train_images
    middle = Image.fromarray(wide[0]).resize((4, 4), Image.Resampling.BILINEAR, box=(5, 0, 15, 10))
    assert np.array_equal(small[0].permute(1, 2, 0).numpy(), np.asarray(middle))
    grey = saved(tmp_path, **with_test(wide[..., 0])).model_copy(update={"fit": "pad", "image_size": 20})
    assert np.array_equal(load(grey).train_images.numpy(), padded[:, :1])
    square = saved(tmp_path, **with_test(GREY)).model_copy(update={"fit": "pad"})
    with pytest.raises(BadInput, match=r"data\.fit pad is for photographs of any shape, and the images of npz"):
        data_facts(square)


def test_a_plan_keeps_the_size_and_the_channels_of_the_arrays(tmp_path: Path) -> None:
    resolved = tiny(data__name=saved(tmp_path, **with_test()).name)
    data = resolved.config.data
    assert (data.name, data.dir) == ("npz:some.npz", str(tmp_path / "some.npz"))
    assert (data.image_size, data.channels, data.classes, data.rules) == (5, 1, 2, 2)
    assert data_facts(data).train_images == 6


def test_a_model_is_tested_on_every_image_of_a_file(tmp_path: Path) -> None:
    data = DataConfig(name=f"npz:{as_npz(tmp_path / 'some.npz', both_splits(train=3, test=2))}", image_size=8)
    dataset = load_every_image(data, (*CLASSES, "fox"))
    assert dataset.split == "all images of train and test; none of 1 of the 4 classes (fox)"
    assert len(dataset.test_images) == len(dataset.test_labels) == 15
    assert dataset.test_labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [0, 0, 1, 1, 2, 2]
    with pytest.raises(BadInput, match="unknown class 'dog'"):
        load_every_image(data, ("cat", "emu"))
    numbers = saved(tmp_path, **with_test()).model_copy(update={"image_size": 5})
    assert load_every_image(numbers, ("0", "1")).test_labels.tolist() == [0, 1] * 4
    with pytest.raises(BadInput, match=r"'0' \(one of: cat, dog\); an array class_names in the file says what the num"):
        load_every_image(numbers, ("cat", "dog"))


def test_a_class_of_one_test_split_is_enough_to_test_on(tmp_path: Path) -> None:
    data = saved(tmp_path, x_test=GREY, y_test=np.array(["cafe\u0301"] * 6))
    dataset = load_every_image(data.model_copy(update={"image_size": 5}), ("caf\u00e9", "b"))
    assert dataset.test_labels.tolist() == [0] * 6
    decomposed = load_every_image(data.model_copy(update={"image_size": 5}), ("b", "cafe\u0301"))
    assert decomposed.test_labels.tolist() == [1] * 6
