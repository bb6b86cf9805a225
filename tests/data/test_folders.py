"""What is in a folder of images, which split it is in, and what is said of one that cannot be used."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest
import torch
from PIL import Image

from seekcli.data.images import decoding
from seekcli.data.sets import folders
from seekcli.data.sets.folders import list_folder
from seekcli.data.splitting.every_image import list_every_image
from seekcli.errors import BadInput


def picture(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(path)


def fill(root: Path, *classes: str, images: int = 2) -> Path:
    for name in classes:
        for index in range(images):
            picture(root / name / f"{index}.png", index)
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """train/ with 3 cats and 3 dogs, test/ with 2 of each."""
    fill(tmp_path / "photos" / "train", "cat", "dog", images=3)
    fill(tmp_path / "photos" / "test", "cat", "dog")
    return tmp_path / "photos"


def refused(root: Path) -> str:
    with pytest.raises(BadInput) as caught:
        list_folder(root)
    message = str(caught.value)
    assert message.startswith(f"--data folder:{root}: ")
    assert "\n" not in message
    return message


def test_train_and_test_are_taken_as_given(photos: Path) -> None:
    listing = list_folder(photos)
    assert listing.class_names == ("cat", "dog")
    paths = [f"train/{name}/{index}.png" for name in ("cat", "dog") for index in range(3)]
    assert [file.path for file in listing.train] == paths
    assert listing.train_labels == (0, 0, 0, 1, 1, 1)
    assert listing.test_labels == (0, 0, 1, 1)
    assert listing.split == "train/ and test/ as given"


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_the_second_split_may_have_another_name(photos: Path, name: str) -> None:
    (photos / "test").rename(photos / name)
    assert list_folder(photos).split == f"train/ and {name}/ as given"
    assert len(list_folder(photos).test) == 4


def test_test_comes_before_val_unless_it_has_no_classes(photos: Path) -> None:
    fill(photos / "val", "cat", "dog", images=1)
    assert len(list_folder(photos).test) == 4
    shutil.rmtree(photos / "test")
    picture(photos / "test" / "unlabelled.png")
    assert len(list_folder(photos).test) == 2


@pytest.mark.parametrize("inside", ["", "train"])
def test_one_folder_of_classes_is_split(tmp_path: Path, inside: str) -> None:
    fill(tmp_path / inside, "cat", images=30)
    fill(tmp_path / inside, "dog", images=20)
    listing = list_folder(tmp_path)
    assert Counter(listing.test_labels) == {0: 6, 1: 4}
    assert Counter(listing.train_labels) == {0: 24, 1: 16}
    assert len({file.path for file in (*listing.train, *listing.test)}) == 50
    assert listing.split.startswith("stratified 80/20 split, seed 0")
    assert list_folder(tmp_path) == listing


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert list_folder(fill(tmp_path, "bus", "train", images=5)).class_names == ("bus", "train")


def test_images_in_deeper_folders_belong_to_the_class(photos: Path) -> None:
    picture(photos / "train" / "cat" / "indoors" / "2024" / "a.JPEG.png")
    picture(photos / "train" / "cat" / "upper.PNG")
    listing = list_folder(photos)
    assert listing.class_names == ("cat", "dog")
    assert listing.train_labels.count(0) == 5
    assert "train/cat/indoors/2024/a.JPEG.png" in {file.path for file in listing.train}


def test_what_is_no_image_is_left_out_and_counted(photos: Path) -> None:
    (photos / "train" / "cat" / "notes.txt").write_text("x")
    (photos / "train" / "cat" / ".hidden.png").write_text("x")
    (photos / "train" / "__MACOSX").mkdir()
    fill(photos / "train", ".ipynb_checkpoints")
    picture(photos / "test" / "overview.png")
    listing = list_folder(photos)
    assert len(listing.train) == 6
    assert listing.class_names == ("cat", "dog")
    assert "; 2 files that are no images (or hidden) left out; 1 images outside the class folders" in listing.split


def test_links_are_followed_and_circles_end(photos: Path, tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "wolf", images=4)
    (photos / "train" / "wolf").symlink_to(tmp_path / "elsewhere" / "wolf")
    (photos / "train" / "cat" / "again").symlink_to(photos / "train")
    (photos / "train" / "cat" / "linked.png").symlink_to(photos / "train" / "dog" / "0.png")
    listing = list_folder(photos)
    assert listing.train_labels.count(2) == 4
    # 3 of its own and the link to one; `again` leads to what lies above the class, where the others are
    assert listing.train_labels.count(0) == 3 + 1


def test_a_broken_link_is_named(photos: Path) -> None:
    (photos / "train" / "cat" / "lost.png").symlink_to(photos / "nowhere.png")
    assert "lost.png" in refused(photos)


def test_a_class_without_test_images_is_mentioned(photos: Path) -> None:
    shutil.rmtree(photos / "test" / "cat")
    listing = list_folder(photos)
    assert listing.test_labels == (1, 1)
    assert "test/ has no images of 1 class (cat...)" in listing.split


def test_missing_empty_and_other_things_are_refused(tmp_path: Path) -> None:
    assert "No such file or directory" in refused(tmp_path / "missing")
    assert "no images in class folders" in refused(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in refused(tmp_path / "file")


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    assert "images must be in one folder per class" in refused(tmp_path)


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    assert "one class only (cat)" in refused(fill(tmp_path, "cat"))


def test_an_empty_class_is_refused(photos: Path) -> None:
    (photos / "train" / "emu").mkdir()
    assert "class folder train/emu holds no images" in refused(photos)


def test_a_class_that_is_only_tested_is_refused(photos: Path) -> None:
    (photos / "test" / "dog").rename(photos / "test" / "dogs")
    assert "unknown class in test/: 'dogs'; did you mean 'dog'?" in refused(photos)


def test_a_test_split_alone_is_refused(photos: Path) -> None:
    shutil.rmtree(photos / "train")
    assert "there is test/ and no train/" in refused(photos)


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    fill(tmp_path, "cat", images=9)
    picture(tmp_path / "dog" / "only.png")
    assert "class dog has a single image" in refused(tmp_path)


def test_the_fingerprint_of_rules_1_is_of_names_and_sizes(photos: Path, tmp_path: Path) -> None:
    before = list_folder(photos).sizes
    shutil.copytree(photos, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "train" / "cat" / "0.png", (1, 1))
    assert list_folder(tmp_path / "copy").sizes == before
    image = photos / "train" / "cat" / "0.png"
    image.write_bytes(image.read_bytes() + b"x")
    longer = list_folder(photos).sizes
    image.rename(image.with_name("zero.png"))
    assert len({before, longer, list_folder(photos).sizes}) == 3


def levels(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_pixels_go_with_their_labels(tmp_path: Path) -> None:
    for split, names in (("train", ("a", "b")), ("test", ("b", "a"))):
        for name in names:
            first = 100 * "ab".index(name) + 10 * (split == "test")
            for index in range(3):
                picture(tmp_path / split / name / f"{index}.png", first + index)
    data = folders.read_folder(list_folder(tmp_path), 4)
    assert data.train_images.shape == (6, 3, 4, 4)
    assert levels(data.train_images) == [0, 1, 2, 100, 101, 102]
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert levels(data.test_images) == [10, 11, 12, 110, 111, 112]
    assert data.test_labels.dtype == torch.int64


def test_a_split_folder_keeps_pixels_and_labels_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for index in range(10):
            picture(tmp_path / name / f"{index}.png", 100 * "ab".index(name) + index)
    data = folders.read_folder(list_folder(tmp_path), 4)
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert [level // 100 for level in levels(images)] == labels.tolist()
    assert sorted(levels(data.train_images) + levels(data.test_images)) == [*range(10), *range(100, 110)]


def test_the_second_load_decodes_nothing(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folders.read_folder(list_folder(photos), 4)
    monkeypatch.setattr(decoding, "decode_files", lambda paths, size: pytest.fail("decoded again"))
    assert torch.equal(folders.read_folder(list_folder(photos), 4).train_images, first.train_images)


LISTINGS = {
    "rules 1": lambda root: list_folder(root, 1),
    "rules 2": lambda root: list_folder(root, 2),
    "every image": lambda root: list_every_image(root, ["a", "b", "c"]),
}


@pytest.mark.parametrize("names", list(permutations(LISTINGS)), ids=" then ".join)
@pytest.mark.parametrize("layout", ["classes alone", "train and test"])
def test_whoever_decodes_a_folder_first_all_get_their_own_images(
    tmp_path: Path, names: tuple[str, ...], layout: str
) -> None:
    """A run splits a folder, `seek evaluate` takes the whole: the cache is one, the orders are several."""
    level = 0
    for part in ("train", "test") if layout == "train and test" else ("",):
        for name, images in (("a", 9), ("b", 5), ("c", 2)):
            for index in range(images):
                picture(tmp_path / "set" / part / name / f"{index}.png", level)
                level += 1
    for name in names:
        listing = LISTINGS[name](tmp_path / "set")
        data = folders.read_folder(listing, 4)
        for files, images in ((listing.train, data.train_images), (listing.test, data.test_images)):
            own = [Image.open(tmp_path / "set" / file.path).getpixel((0, 0)) for file in files]
            assert levels(images) == own, name


def test_other_pixels_under_the_same_names_and_sizes_are_not_taken_from_the_cache(photos: Path, tmp_path: Path) -> None:
    """Names and sizes cannot tell them, and times need not."""
    picture(photos / "train" / "cat" / "a.bmp", 200)
    assert levels(folders.read_folder(list_folder(photos), 4).train_images)[3] == 200
    sizes = list_folder(photos).sizes
    shutil.copytree(photos, tmp_path / "other")
    for root, level in ((photos, 201), (tmp_path / "other", 202)):
        picture(root / "train" / "cat" / "a.bmp", level)
        os.utime(root / "train" / "cat" / "a.bmp", (9, 9))
        assert list_folder(root).sizes == sizes
        assert levels(folders.read_folder(list_folder(root), 4).train_images)[3] == level


def test_another_size_is_decoded_for_itself(photos: Path) -> None:
    folders.read_folder(list_folder(photos), 4)
    assert folders.read_folder(list_folder(photos), 6).train_images.shape == (6, 3, 6, 6)


def test_a_broken_image_is_named_and_nothing_is_cached(photos: Path, home: Path) -> None:
    broken = photos / "test" / "dog" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(BadInput, match=rf"cannot read the image {broken}"):
        folders.read_folder(list_folder(photos), 4)
    assert list(home.rglob("*.safetensors")) == []


def test_listing_needs_no_library() -> None:
    import subprocess
    import sys

    heavy = "any(name in sys.modules for name in ('torch', 'PIL', 'numpy'))"
    code = f"import sys, seekcli.data.sets.folders; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
