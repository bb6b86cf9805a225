"""Images that are read from disk while a run goes on: which there are, listed once; torch is not needed for that.

The layout is ImageNet's: `train/CLASS/...` and `val/CLASS/...` (or `validation/`, `valid/`, `test/`, the first of them
with class folders). A class is all images in its folder and below; hidden files and what is no image by its suffix are
left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from seekcli.data.images.arrays import Arrays
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets.folders import Found, identity_of, is_image, is_shown, left_out_note, subfolders, walk
from seekcli.data.sets.identity import ImageFile, names_and_sizes, sample_of
from seekcli.errors import BadInput, unknown

CHANNELS = 3
TEST_NAMES = ("val", "validation", "valid", "test")
# Measuring 1.28 million images would take hours: the usual figures for ImageNet's training images, as in torchvision's
# documentation of its pretrained models. They normalise any other tree of photographs as well.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Listing:
    """The images of both splits in a fixed order, relative to `root`; labels index `class_names`.

    `sizes` is the sha256 over all sorted paths and sizes; `files_to_read` are those that an identity by contents reads.
    """

    root: Path
    class_names: tuple[str, ...]
    train: tuple[str, ...]
    train_labels: tuple[int, ...]
    test: tuple[str, ...]
    test_labels: tuple[int, ...]
    split: str
    sizes: str
    files_to_read: tuple[ImageFile, ...]

    def arrays(self, size: int, centre: float) -> Arrays:
        """Both splits: labels in memory, images on disk. Nothing is decoded."""
        import torch

        train = ImageFiles(self.root, self.train, torch.arange(len(self.train)), size, centre)
        test = ImageFiles(self.root, self.test, torch.arange(len(self.test)), size, centre)
        labels = (torch.tensor(each, dtype=torch.int64) for each in (self.train_labels, self.test_labels))
        train_labels, test_labels = labels
        return Arrays(train, train_labels, test, test_labels, self.class_names, self.split)


def scan(root: Path, rules: int = 1, whole: bool = False) -> Listing:
    """List the tree. Raises BadInput, naming what is wrong, unless both splits have class folders with images.

    With `whole` its identity by contents is of every file, else of a sample.
    Listing a million files takes seconds and is asked for more than once in a command, so it is done again only when
    an image or a class has come or gone, as the folders' times tell.
    """
    try:
        return listing_at(root, folder_times(root), rules, whole)
    except OSError as error:
        where = f" in {error.filename}" if error.filename and Path(error.filename) != root else ""
        raise refused(root, f"{error.strerror or error}{where}") from error


def refused(root: Path, why: str) -> BadInput:
    return BadInput(f"--data imagenet:{root}: {why}")


def folder_times(root: Path) -> tuple[tuple[str, int], ...]:
    """Every folder of the splits with the time in ns at which something in it came or went."""
    splits = [name for name in subfolders(root) if name in ("train", *TEST_NAMES)]
    folders = [root / split / name for split in splits for name in ("", *subfolders(root / split))]
    return tuple((str(folder), folder.stat().st_mtime_ns) for folder in folders)


@lru_cache(maxsize=1)
def listing_at(root: Path, times: tuple[tuple[str, int], ...], rules: int, whole: bool) -> Listing:
    """The listing of a tree whose folders have these times."""
    if not (root / "train").is_dir():
        raise refused(root, "there is no train/ with one folder per class")
    train, val = listed(root, "train"), listed(root, test_folder(root))
    names = tuple(sorted(train.images))
    if len(names) < 2:
        raise refused(root, f"one class only ({names[0]}); it takes a folder for each of two or more")
    for name, images in train.images.items():
        if not images:
            raise refused(root, f"the class folder train/{name} holds no images")
    for name, images in val.images.items():
        if images and name not in train.images:
            raise refused(root, str(unknown(f"class in {test_folder(root)}/:", name, names)))
    files = [file for found in (train, val) for each in found.images.values() for file in each]
    split = f"train/ and {test_folder(root)}/ as given{left_out_note(train, val)}"
    read = () if rules == 1 else tuple(files) if whole else tuple(sample_of(files))
    return Listing(root, names, *labelled(train, names), *labelled(val, names), split, names_and_sizes(files), read)


def test_folder(root: Path) -> str:
    """The name of the folder with the test split. Raises BadInput when its images are not in class folders."""
    present = [name for name in TEST_NAMES if (root / name).is_dir()]
    for name in present:
        if subfolders(root / name):
            return name
    if not present:
        raise refused(root, "there is no val/ with one folder per class, as in train/")
    with os.scandir(root / present[0]) as entries:
        flat = sum(is_shown(entry.name) and is_image(entry.name) for entry in entries)
    advice = f"sort them into class folders, {present[0]}/CLASS/, as in train/"
    raise refused(root, f"{present[0]}/ holds {flat:,} images and no class folder; {advice}")


def listed(root: Path, split: str) -> Found:
    """The images of a split by class, sorted by path."""
    found = Found()
    above = (identity_of(root), identity_of(root / split))
    for name in subfolders(root / split):
        files = walk(root / split / name, f"{split}/{name}/", found, above)
        found.images[name] = sorted(files, key=lambda file: file.path)
    if not any(found.images.values()):
        raise refused(root, f"no images in class folders of {split}/")
    return found


def labelled(found: Found, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    pairs = [(file.path, label) for label, name in enumerate(names) for file in found.images.get(name, [])]
    return tuple(path for path, _ in pairs), tuple(label for _, label in pairs)
