"""Which folders are splits, what is left out of classes, and that no class is rounded away (`data.rules` 2)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from seekcli.config.layers import merge
from seekcli.data.sets.folders import FolderListing, list_folder
from seekcli.data.sets.sources import data_facts
from seekcli.errors import BadInput


def fill(folder: Path, counts: dict[str, int]) -> None:
    for name, images in counts.items():
        for index in range(images):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), index).save(folder / name / f"{index}.png")


def by_rules_2(root: Path) -> FolderListing:
    return list_folder(root, 2)


@pytest.mark.parametrize(
    "names", [("Train", "Test"), ("Training", "Testing"), ("TRAIN", "Valid"), ("train_set", "dev")]
)
def test_the_usual_words_are_splits_in_any_case(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, images in zip(names, (4, 2), strict=True):
        fill(tmp_path / name, {"a": images, "b": images})
    listing = by_rules_2(tmp_path)
    assert (listing.class_names, len(listing.train), len(listing.test)) == (("a", "b"), 8, 4)


@pytest.mark.parametrize("names", [("seg_train", "seg_test"), ("a/train", "a/test"), ("train/", "test", "Test")])
def test_an_ambiguous_layout_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        fill(tmp_path / name, {"a": 2, "b": 2})
    fill(tmp_path / "b" if "/" in names[0] and names[0] != "train/" else tmp_path / names[0], {"b": 2})
    with pytest.raises(BadInput):
        by_rules_2(tmp_path)


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("cat", "dog", "holdout/cat", "holdout/dog"), "holdout/ looks like a split and not like a class"),
        (("cat", "dog", "later/cat"), r"later/ holds folders of the names of those beside it \(cat\)"),
        (
            ("train/cat", "train/dog", "later/cat"),
            r"later/ holds classes of train/ \(cat\), and no folder is a test sp",
        ),
        (("fold_1/cat", "fold_1/dog", "fold_2/cat", "fold_2/dog"), "fold_1/ looks like a split"),
        (("cat", "dog", "dev/cat"), "there is dev/ and no train/"),
    ],
)
def test_a_split_by_another_word_is_never_a_class(tmp_path: Path, folders: tuple[str, ...], said: str) -> None:
    fill(tmp_path, dict.fromkeys(folders, 3))
    with pytest.raises(BadInput, match=said):
        by_rules_2(tmp_path)


@pytest.mark.parametrize("names", [("trainA", "testA"), ("Xtrain", "Xtest"), ("imgtrain", "imgval"), ("a", "mytest")])
def test_a_word_for_a_split_with_something_attached_is_no_class_where_all_folders_hold_the_same(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    fill(tmp_path, {f"{name}/{kind}": 3 for name in names for kind in ("cat", "dog")})
    with pytest.raises(BadInput, match=rf"{names[1]}.*look like splits and not like classes; rename them train/"):
        by_rules_2(tmp_path)


def test_a_class_may_begin_like_a_split(tmp_path: Path) -> None:
    fill(tmp_path, {"trains": 5, "valley": 5, "contest": 5})
    assert by_rules_2(tmp_path).class_names == ("contest", "trains", "valley")


def test_folders_of_the_same_names_in_every_class_are_named(tmp_path: Path) -> None:
    """They may be parts of the classes, or the classes of two splits by words that nobody knows."""
    fill(tmp_path, dict.fromkeys(("prueba/cat", "prueba/dog", "entreno/cat", "entreno/dog"), 3))
    said = "; every class folder holds folders of the same names (cat, dog), read as parts of the classes and not as "
    assert said in by_rules_2(tmp_path).split
    fill(tmp_path, {"third": 3})
    assert "of the same names" not in by_rules_2(tmp_path).split


def test_a_rare_class_is_on_both_sides(tmp_path: Path) -> None:
    fill(tmp_path, {"common": 40, "rare": 2})
    listing = by_rules_2(tmp_path)
    assert Counter(listing.test_labels)[1] == Counter(listing.train_labels)[1] == 1
    assert len(listing.test) == 9


def test_system_folders_are_no_classes_and_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 5, "b": 5, "@eaDir": 3, "a/@eaDir": 3, "lost+found": 1, "$RECYCLE.BIN": 2})
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    listing = by_rules_2(tmp_path)
    assert listing.class_names == ("a", "b")
    assert len(listing.files_to_read) == 10
    assert "2 @eaDir" in listing.split
    assert "1 Thumbs.db" in listing.split


def test_files_that_cannot_be_read_are_named_by_class_and_suffix(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 2, "b": 8})
    for index in range(6):
        (tmp_path / "a" / f"{index}.HEIC").write_bytes(b"x")
    assert "(a: 6 .heic)" in by_rules_2(tmp_path).split


def test_a_name_that_is_no_utf8_is_shown(tmp_path: Path) -> None:
    fill(tmp_path, {"b": 3, "caf\udce9": 3})
    assert by_rules_2(tmp_path).class_names == ("b", "caf\\xe9")


def test_an_accent_may_be_written_in_two_ways(tmp_path: Path) -> None:
    composed, two_letters = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    fill(tmp_path / "train", {composed: 3, "dog": 3})
    fill(tmp_path / "test", {two_letters: 2, "dog": 1})
    listing = by_rules_2(tmp_path)
    assert listing.class_names == (composed, "dog")
    assert listing.test_labels == (0, 0, 1)
    fill(tmp_path / "train", {two_letters: 1})
    with pytest.raises(BadInput, match=r"two class folders of train/ look equal: 'cafe\\u0301' and 'caf\\xe9'"):
        by_rules_2(tmp_path)


def test_a_name_that_is_no_utf8_can_be_said(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 3, "b": 3})
    fill(tmp_path / "test", {"caf\udce9": 3})
    with pytest.raises(BadInput, match=r"unknown class in test/: 'caf\\\\xe9'"):
        by_rules_2(tmp_path)


def test_a_class_that_cannot_be_validated_is_named_before_an_image_is_read(tmp_path: Path) -> None:
    fill(tmp_path, {"common": 40, "rare": 2})
    settings = {"data.name": f"folder:{tmp_path}", "data.image_size": 4, "data.rules": 2}
    data = merge([("test", settings | {"data.validation_fraction": 0.1})]).config.data
    with pytest.raises(BadInput, match=r"data.validation_fraction 0.1 leaves class 'rare' without a validation image"):
        data_facts(data)
