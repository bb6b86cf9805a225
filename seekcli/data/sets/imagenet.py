"""Images that are read from disk while a run goes on: which there are, listed once; torch is not needed for that.

The layout is ImageNet's: `train/CLASS/...` and `val/CLASS/...` (or `validation/`, `valid/`, `test/`, the first of them
with class folders; by rules 2 the usual words in any case). A class is all images in its folder and below; hidden files
and what is no image by its suffix are left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from seekcli.config.value_types import Fit
from seekcli.data.images.arrays import Arrays
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.images.places import Held, Place
from seekcli.data.sets import folders
from seekcli.data.sets.folder_walk import (
    Found,
    inode_of,
    is_image,
    is_shown,
    left_out_note,
    subfolders,
    walk,
    walk_classes,
)
from seekcli.data.sets.folders import left_alone_note, split_as_given, unreadable
from seekcli.data.sets.identity import ImageFile, contents, names_and_sizes, printable, read_digests, sample_of
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.layout import find_layout, split_word
from seekcli.errors import BadInput, unknown

CHANNELS = 3
TEST_NAMES = ("val", "validation", "valid", "test")
# Measuring 1.28 million images would take hours: the usual figures for ImageNet's training images, as in torchvision's
# documentation of its pretrained models. They normalise any other tree of photographs as well.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageNetListing:
    """The images of both splits in a fixed order, relative to `root`; labels index `class_names`.

    `sizes` is the sha256 over all sorted paths and sizes; `files_to_read` are those that an identity by contents reads:
    all files, or a sample of them. `held` says by path where an image is that lies inside another file.
    """

    channels: ClassVar[int] = CHANNELS
    side: ClassVar[int | None] = None

    root: Path
    class_names: tuple[str, ...]
    train: tuple[str, ...]
    train_labels: tuple[int, ...]
    test: tuple[str, ...]
    test_labels: tuple[int, ...]
    split: str
    sizes: str
    files_to_read: tuple[ImageFile, ...]
    held: Mapping[str, Held] = field(default_factory=dict)

    def contents(self) -> str:
        """The identity by contents of the files that are read for it, and the sizes of all."""
        return contents(self.sizes, read_digests(self.root, self.files_to_read))

    def arrays(self, size: int, centre: float, grey_bits: int | None = None, fit: Fit = "crop") -> Arrays:
        """Both splits: labels in memory, images on disk. Nothing is decoded."""
        import torch

        train, test = (
            ImageFiles(self.root, paths, torch.arange(len(paths)), size, centre, grey_bits, fit)
            for paths in (self.places(self.train), self.places(self.test))
        )
        labels = (torch.tensor(each, dtype=torch.int64) for each in (self.train_labels, self.test_labels))
        train_labels, test_labels = labels
        return Arrays(train, train_labels, test, test_labels, self.class_names, self.split)

    def places(self, paths: Sequence[str]) -> Sequence[Place]:
        """Of paths of the listing: themselves, or where they lie inside other files."""
        return [self.held[path] for path in paths] if self.held else paths

    def located(self, paths: Sequence[str]) -> list[Place]:
        """As `places`, with whole paths."""
        return [os.path.join(self.root, place) if isinstance(place, str) else place for place in self.places(paths)]

    @property
    def test_paths(self) -> tuple[str, ...]:
        return tuple(map(printable, self.test))

    @property
    def sample(self) -> str:
        """What the identity by contents is of, where that is not every file: `a fixed sample of 2,048 of ...`."""
        read, files = len(self.files_to_read), len(self.train) + len(self.test)
        return f"a fixed sample of {read:,} of {files:,} files" if 0 < read < files else ""


def list_imagenet(root: Path, rules: int = 1, whole: bool = False) -> ImageNetListing:
    """List the tree. Raises BadInput, naming what is wrong, unless both splits have class folders with images.

    With `whole` its identity by contents is of every file, else of a sample.
    """
    try:
        return imagenet_by_names(root) if rules == 1 else imagenet_by_layout(root, whole)
    except OSError as error:
        raise unreadable(public_name(root), root, error) from error


def public_name(root: Path) -> str:
    return f"--data imagenet:{root}"


def refused(root: Path, why: str) -> BadInput:
    return BadInput(f"{public_name(root)}: {why}")


def imagenet_by_layout(root: Path, whole: bool) -> ImageNetListing:
    """By rules 2: usual words in any case, system folders left out. val/ comes before test/: ImageNet's has labels."""
    what = public_name(root)
    layout = find_layout(root, what, first="validation")
    if layout.train is None:
        raise refused(root, "there is no train/ with one folder per class")
    if layout.test is None:
        raise without_test(root, [name for name in subfolders(root, 2) if split_word(name) in ("test", "validation")])
    train, test = (walk_classes(root, what, f"{name}/", 2) for name in (layout.train, layout.test))
    listing = split_as_given(root, what, train, test, (layout.train, layout.test))
    return streamed(replace(listing, split=listing.split + left_alone_note(layout.left_alone)), whole)


def streamed(listing: folders.FolderListing, whole: bool = True) -> ImageNetListing:
    """The same images, to be read from disk as they are needed."""
    files = [*listing.train, *listing.test]
    train, test = (tuple(file.path for file in split) for split in (listing.train, listing.test))
    found = ImageNetListing(
        root=listing.root, class_names=listing.class_names, train=train, train_labels=listing.train_labels, test=test,
        test_labels=listing.test_labels, split=listing.split, sizes=listing.sizes,
        files_to_read=tuple(files if whole else sample_of(files)),
        held={file.path: file.held for file in files if file.held is not None},
    )  # fmt: skip
    if not found.sample:
        return found
    known = f"known by the sizes of all files and the bytes of {found.sample} (data.whole_digest=true: of all)"
    return replace(found, split=f"{found.split}; {known}")


def imagenet_by_names(root: Path) -> ImageNetListing:
    """By rules 1."""
    if "train" not in subfolders(root):
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
    return ImageNetListing(
        root, names, *labelled_paths(train, names), *labelled_paths(val, names), split, names_and_sizes(files),
        tuple(sample_of(files)),
    )  # fmt: skip


def test_folder(root: Path) -> str:
    """The name of the folder with the test split. Raises BadInput when its images are not in class folders."""
    present = [name for name in TEST_NAMES if (root / name).is_dir()]
    for name in present:
        if subfolders(root / name):
            return name
    raise without_test(root, present)


def without_test(root: Path, present: list[str]) -> BadInput:
    """What to say where no folder of a test split has class folders; `present` are those that there are."""
    if not present:
        return refused(root, "there is no val/ with one folder per class, as in train/")
    with os.scandir(root / present[0]) as entries:
        flat = sum(is_shown(entry.name) and is_image(entry.name) for entry in entries)
    advice = f"sort them into class folders, {present[0]}/CLASS/, as in train/"
    return refused(root, f"{present[0]}/ holds {flat:,} images and no class folder; {advice}")


def listed(root: Path, split: str) -> Found:
    """The images of a split by class, sorted by path."""
    found = Found()
    above = (inode_of(root), inode_of(root / split))
    for name in subfolders(root / split):
        files = walk(root / split / name, f"{split}/{name}/", found, above)
        found.images[name] = sorted(files, key=lambda file: file.path)
    if not any(found.images.values()):
        raise refused(root, f"no images in class folders of {split}/")
    return found


def labelled_paths(found: Found, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    pairs = [(file.path, label) for label, name in enumerate(names) for file in found.images.get(name, [])]
    return tuple(path for path, _ in pairs), tuple(label for _, label in pairs)


IMAGENET = FolderSet(
    form="imagenet:DIR",
    about="as ImageNet: train/CLASS/ and val/CLASS/, streamed from disk by --workers N processes",
    like_imagenet=True,
    list_files=lambda root, data: list_imagenet(root, data.rules, data.whole_digest),
    read=lambda listing, data, size, watcher: listing.arrays(size, data.test_crop, data.grey_bits, data.fit),
    streamed=True,
)
