"""Which images are in an ImageNet tree, without reading one; and what is said of a tree that is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from photo_tree import CLASSES, photo_tree
from PIL import Image

from seekcli.config.identity import run_id
from seekcli.config.layers import merge
from seekcli.config.settings import DataConfig
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets import identity, imagenet
from seekcli.data.sets.imagenet import list_imagenet
from seekcli.data.sets.sources import data_facts, fingerprint_of, load
from seekcli.data.splitting.holdout import hold_out
from seekcli.errors import BadInput


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_tree(tmp_path_factory.mktemp("imagenet") / "photos")


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "photos"))


def data_of(root: Path, **settings: object) -> DataConfig:
    given = {"data.name": f"imagenet:{root}", "data.image_size": 32}
    return merge([("test", given | {f"data.{key}": value for key, value in settings.items()})]).config.data


def refused(root: Path) -> str:
    with pytest.raises(BadInput) as caught:
        data_facts(data_of(root))
    message = str(caught.value)
    assert message.startswith(f"--data imagenet:{root}: ")
    assert "\n" not in message
    return message


def test_both_splits_are_listed_by_class(tree: Path) -> None:
    listing = list_imagenet(tree)
    assert listing.class_names == CLASSES
    assert listing.train[:2] == (f"train/{CLASSES[0]}/{CLASSES[0]}_0.JPEG", f"train/{CLASSES[0]}/{CLASSES[0]}_1.JPEG")
    assert listing.train_labels == (0,) * 9 + (1,) * 9 + (2,) * 9
    assert listing.test_labels == (0,) * 4 + (1,) * 4 + (2,) * 4
    assert all(path.startswith("val/") for path in listing.test)
    assert listing.split == "train/ and val/ as given"


def test_the_facts_are_those_of_the_listing_and_the_name_holds_no_path(tree: Path) -> None:
    facts = data_facts(data_of(tree))
    assert (facts.name, facts.classes, facts.channels, facts.image_size) == ("imagenet:photos", 3, 3, 32)
    assert (facts.train_images, facts.test_images) == (27, 12)
    assert fingerprint_of(data_of(tree)) == list_imagenet(tree).sizes


def test_no_image_is_opened_before_it_is_needed(tree: Path) -> None:
    for path in tree.rglob("*.JPEG"):
        path.write_bytes(b"")
    dataset = load(data_of(tree))
    assert isinstance(dataset.train_images, ImageFiles)
    assert len(dataset.train_images) == 27
    assert dataset.mean == (0.485, 0.456, 0.406)
    assert dataset.std == (0.229, 0.224, 0.225)


def test_a_limit_a_validation_split_and_a_held_out_batch_share_out_the_files(tree: Path) -> None:
    dataset = load(data_of(tree, limit_train=24, validation_fraction=0.25))
    dataset = hold_out(dataset, 3, seed=1)
    parts = [dataset.train_images, dataset.validation_images, dataset.holdout_images]
    located = [part.located() for part in parts if isinstance(part, ImageFiles)]
    assert [len(part) for part in located] == [15, 6, 3]
    assert len({path for part in located for path in part}) == 24
    for images, labels in zip(located, (dataset.train_labels, dataset.validation_labels), strict=False):
        assert labels is not None
        assert [CLASSES.index(Path(path).parent.name) for path in images] == labels.tolist()
    assert data_facts(data_of(tree, limit_train=24, validation_fraction=0.25, holdout_images=3)).train_images == 15


def test_image_files_are_indexed_like_a_tensor(tree: Path) -> None:
    images = load(data_of(tree)).test_images
    assert isinstance(images, ImageFiles)
    paths = images.located()
    assert images[2:5].located() == paths[2:5]
    assert images[[7, 1]].located() == [paths[7], paths[1]]
    mask = torch.zeros(12, dtype=torch.bool)
    mask[[3, 9]] = True
    assert images[mask][1:].located() == [paths[9]]
    assert images[:0].located() == []


def test_the_fingerprint_is_of_paths_and_sizes_wherever_the_tree_lies(tree: Path, tmp_path: Path) -> None:
    before = list_imagenet(tree).sizes
    moved = Path(shutil.copytree(tree, tmp_path / "elsewhere"))
    assert list_imagenet(moved).sizes == before
    Image.new("RGB", (8, 8)).save(moved / "train" / CLASSES[0] / "one_more.JPEG")
    assert list_imagenet(moved).sizes != before
    (moved / "train" / CLASSES[0] / "one_more.JPEG").unlink()
    assert list_imagenet(moved).sizes == before


def test_the_run_id_knows_the_files_and_not_their_place(tree: Path, tmp_path: Path) -> None:
    def identity_of(root: Path) -> str:
        fingerprint = list_imagenet(root).sizes
        return run_id(merge([("t", {"data.name": f"imagenet:{root.name}", "data.fingerprint": fingerprint,
                                    "data.dir": str(root), "runtime.workers": len(root.name)})]).config)  # fmt: skip

    moved = Path(shutil.copytree(tree, tmp_path / "elsewhere"))
    assert identity_of(moved) == identity_of(tree)


def test_files_other_than_those_of_the_run_are_refused(tree: Path) -> None:
    resolved = data_of(tree, fingerprint="0" * 64, dir=str(tree), name="imagenet:photos")
    with pytest.raises(BadInput, match="not those that this run was made for"):
        load(resolved)


def test_hidden_files_and_files_that_are_no_images_are_left_out_and_counted(tree: Path) -> None:
    (tree / "train" / CLASSES[0] / "notes.txt").write_text("x")
    (tree / "train" / CLASSES[0] / "._n0.JPEG").write_text("x")
    (tree / ".cache").mkdir()
    assert len(list_imagenet(tree).train) == 27
    assert "2 files that are no images (or hidden) left out" in list_imagenet(tree).split


@pytest.mark.parametrize("name", ["validation", "valid", "test"])
def test_the_second_split_may_have_another_name(tree: Path, name: str) -> None:
    (tree / "val").rename(tree / name)
    assert list_imagenet(tree).split == f"train/ and {name}/ as given"


def by_rules_2(root: Path, whole: bool = False) -> imagenet.ImageNetListing:
    return list_imagenet(root, 2, whole)


def test_both_rules_list_a_usual_tree_alike(tree: Path) -> None:
    assert by_rules_2(tree) == list_imagenet(tree)


@pytest.mark.parametrize(
    ("train", "test"),
    [("Training", "Testing"), ("TRAIN", "VAL"), ("train_set", "Validation"), ("train", "Test Images")],
)
def test_by_rules_2_the_usual_words_are_splits_in_any_case(tree: Path, train: str, test: str) -> None:
    (tree / "train").rename(tree / "moving")
    (tree / "moving").rename(tree / train)
    (tree / "val").rename(tree / test)
    listing = by_rules_2(tree)
    assert (len(listing.train), len(listing.test), listing.class_names) == (27, 12, CLASSES)
    assert listing.split == f"{train}/ and {test}/ as given"


def test_by_rules_2_val_comes_before_test_and_the_other_is_named(tree: Path) -> None:
    shutil.copytree(tree / "val", tree / "test")
    (tree / "test" / CLASSES[0] / f"{CLASSES[0]}_0.JPEG").unlink()
    assert len(by_rules_2(tree).test) == 12
    assert by_rules_2(tree).split == "train/ and val/ as given; test/ left alone"


def test_by_rules_2_system_folders_are_no_classes_and_are_counted(tree: Path) -> None:
    for folder in ("train", "val", f"train/{CLASSES[0]}"):
        shutil.copytree(tree / "val" / CLASSES[0], tree / folder / "@eaDir")
    (tree / "train" / "__MACOSX").mkdir()
    (tree / "val" / CLASSES[1] / "Thumbs.db").write_bytes(b"x")
    listing = by_rules_2(tree)
    assert (len(listing.train), len(listing.test), listing.class_names) == (27, 12, CLASSES)
    words = listing.split.partition("system files and folders left out: ")[2]
    assert sorted(words.split(", ")) == ["1 Thumbs.db", "1 __MACOSX", "3 @eaDir"]


def test_by_rules_2_a_class_that_is_not_tested_and_files_that_are_not_read_are_named(tree: Path) -> None:
    shutil.rmtree(tree / "val" / CLASSES[1])
    for path in sorted((tree / "train" / CLASSES[0]).iterdir())[:5]:
        path.rename(path.with_suffix(".HEIC"))
    listing = by_rules_2(tree)
    assert f"(n01440764: 5 .heic); val/ has no images of 1 class ({CLASSES[1]})" in listing.split
    (tree / "val" / CLASSES[0]).rename(tree / "val" / "n01440765")
    with pytest.raises(BadInput, match="unknown class in val/: 'n01440765'; did you mean 'n01440764'"):
        by_rules_2(tree)


@pytest.mark.parametrize("change", ["flat", "none", "no train", "lone"])
def test_by_rules_2_what_is_missing_is_named(tree: Path, change: str) -> None:
    if change == "flat":
        for path in sorted((tree / "val").glob("*/*")):
            path.rename(tree / "val" / path.name)
        for name in CLASSES:
            (tree / "val" / name).rmdir()
    elif change == "none":
        (tree / "val").rename(tree / "other")
    elif change == "no train":
        (tree / "train").rename(tree / "other")
    else:
        for name in CLASSES[1:]:
            shutil.rmtree(tree / "train" / name)
            shutil.rmtree(tree / "val" / name)
    said = {
        "flat": "val/ holds 12 images and no class folder; sort them into class folders, val/CLASS/",
        "none": "there is no val/ with one folder per class, as in train/",
        "no train": "there is no train/ with one folder per class",
        "lone": "one class only",
    }
    with pytest.raises(BadInput, match=f"--data imagenet:{tree}: {said[change]}"):
        by_rules_2(tree)


def test_the_start_line_says_that_the_identity_is_of_a_sample(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_rules_2(tree).sample == ""
    monkeypatch.setattr(identity, "SAMPLE_FILES", 5)
    words = "known by the sizes of all files and the bytes of a fixed sample of 5 of 39 files"
    assert words in load(data_of(tree, rules=2)).summary
    assert "data.whole_digest=true: of all" in load(data_of(tree, rules=2)).summary
    assert "sample" not in load(data_of(tree, rules=2, whole_digest=True)).summary


def test_a_flat_test_folder_beside_val_is_left_alone(tree: Path) -> None:
    (tree / "test").mkdir()
    Image.new("RGB", (8, 8)).save(tree / "test" / "ILSVRC2012_test_00000001.JPEG")
    assert list_imagenet(tree).split == "train/ and val/ as given"


def test_a_flat_val_folder_must_be_sorted_into_class_folders(tree: Path) -> None:
    for path in sorted((tree / "val").glob("*/*")):
        path.rename(tree / "val" / path.name)
    for name in CLASSES:
        (tree / "val" / name).rmdir()
    assert "val/ holds 12 images and no class folder; sort them into class folders, val/CLASS/" in refused(tree)


def test_what_is_missing_is_named(tree: Path, tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere")
    (tree / "val").rename(tree / "other")
    assert "there is no val/ with one folder per class" in refused(tree)
    (tree / "other").rename(tree / "val")
    (tree / "val" / CLASSES[0]).rename(tree / "val" / "n01440765")
    assert "unknown class in val/: 'n01440765'; did you mean 'n01440764'?" in refused(tree)
    (tree / "val" / "n01440765").rename(tree / "val" / CLASSES[0])
    shutil.rmtree(tree / "train" / CLASSES[0])
    (tree / "train" / CLASSES[0]).mkdir()
    assert f"the class folder train/{CLASSES[0]} holds no images" in refused(tree)
    shutil.rmtree(tree / "train" / CLASSES[0])
    shutil.rmtree(tree / "train" / CLASSES[1])
    assert "one class only" in refused(tree)
    shutil.rmtree(tree / "train" / CLASSES[2])
    assert "no images in class folders of train/" in refused(tree)
    (tree / "train").rmdir()
    assert "there is no train/ with one folder per class" in refused(tree)


def test_the_folder_must_be_named() -> None:
    with pytest.raises(BadInput, match="--data imagenet: name the folder, as in --data imagenet:DIR"):
        data_facts(DataConfig(name="imagenet"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tree: Path) -> None:
    (tree / "train" / CLASSES[0]).chmod(0)
    assert f"Permission denied in {tree / 'train' / CLASSES[0]}" in refused(tree)
