"""Arrays in one file of NumPy: images and labels under the usual names, with or without names of splits.

`images`, `labels`; `train_images`, `train_labels`, `val_images`, `test_images`, ... (MedMNIST); `x_train`, `y_train`,
`x_test`, `y_test` (Keras). `class_names` are those of the labels 0, 1, ... Nothing is unpickled.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seekcli.config.settings import DataConfig
from seekcli.data.images.arrays import Arrays, Watcher, require_memory
from seekcli.data.sets.folders import taken
from seekcli.data.sets.identity import ImageFile, names_and_sizes, read_digests, text_digest
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.labels import UNLABELLED, as_names, class_of_each
from seekcli.data.sets.layout import SPLIT_OF
from seekcli.data.sets.npz_arrays import ArrayFile, Axes, as_uint8, axes_of, one_range
from seekcli.data.sets.samples import Divided, Part, all_for_test, divide
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import torch

IMAGE_WORDS = frozenset({"images", "image", "imgs", "img", "x", "pixels"})
LABEL_WORDS = frozenset({"labels", "label", "y", "targets", "target"})
NUMBERS_HINT = "; an array class_names in the file says what the numbers mean"
NAMES = ("class_names", "label_names")
EXPECTED = "images and labels, train_images, train_labels, test_images, ..., or x_train, y_train, x_test, ..."


class Row(NamedTuple):
    """An image: the array that it is in, and its place there."""

    key: str
    number: int


@dataclass(frozen=True)
class ArrayListing:
    """The images of a file, by split, in its order; labels index `class_names`. `side` is pixels of the shorter side.

    `axes` says of each array of images how its axes are meant.
    """

    file: Path
    class_names: tuple[str, ...]
    train: tuple[Row, ...]
    train_labels: tuple[int, ...]
    test: tuple[Row, ...]
    test_labels: tuple[int, ...]
    split: str
    axes: dict[str, Axes]
    files_to_read: tuple[ImageFile, ...]
    test_paths: None = None

    @property
    def root(self) -> Path:
        """The folder that the file is in."""
        return self.file.parent

    @property
    def channels(self) -> int:
        """As a model sees them: transparent images are put on white."""
        return next(iter(self.axes.values())).channels

    @property
    def side(self) -> int:
        return next(iter(self.axes.values())).side

    @property
    def is_square(self) -> bool:
        return all(axes.height == axes.width for axes in self.axes.values())

    @property
    def sizes(self) -> str:
        return names_and_sizes(self.files_to_read)

    def contents(self) -> str:
        """The sha256 of the file: its name does not count."""
        return text_digest(read_digests(self.root, self.files_to_read).values())


def list_arrays(file: Path, data: DataConfig) -> ArrayListing:
    """Raises BadInput, naming the key, for arrays that are missing, pickled, or no images and labels."""
    if data.rules == 1:
        raise BadInput(f"data.rules 1 is how earlier versions read folders, and this is npz:{file}")
    parts, axes, names, left_out = parts_of(file)
    return listing_of_arrays(file, divide(said(file), parts, names), axes, left_out)


def list_all_arrays(file: Path, data: DataConfig, class_names: Sequence[str]) -> ArrayListing:
    """Every image, whatever its split, by the classes of a trained model."""
    parts, axes, _, left_out = parts_of(file)
    return listing_of_arrays(file, all_for_test(said(file), parts, class_names, NUMBERS_HINT), axes, left_out)


def said(file: Path) -> str:
    return f"--data npz:{file}"


def listing_of_arrays(file: Path, found: Divided[Row], axes: dict[str, Axes], left_out: str) -> ArrayListing:
    status = os.stat(file)
    itself = ImageFile(file.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    used = {row.key for row in (*found.train, *found.test)}
    return ArrayListing(
        file, found.class_names, found.train, found.train_labels, found.test, found.test_labels,
        found.words + left_out, {key: axes[key] for key in axes if key in used}, (itself,),
    )  # fmt: skip


def parts_of(file: Path) -> tuple[list[Part[Row]], dict[str, Axes], tuple[str, ...] | None, str]:
    """The splits, how the axes of each array are meant, names of classes, and what was left out, in words."""
    what = said(file)
    arrays = ArrayFile(file, what)
    images, labels = keys_of(arrays.keys, IMAGE_WORDS, what), keys_of(arrays.keys, LABEL_WORDS, what)
    require_pairs(images, labels, arrays.keys, what)
    axes = {key: axes_of(arrays.header(key), f"{what}: {key}") for key in images.values()}
    given = next((key for key in NAMES if key in arrays.keys), None)
    names = None if given is None else as_names(f"{what}: {given}", arrays.read(given).tolist())
    parts = []
    for split, key in images.items():
        count = axes[key].images
        classes = classes_of(arrays, labels[split], key, count, names) if split in labels else None
        parts.append(Part(split, [Row(key, number) for number in range(count)], classes))
    require_one_shape({images[part.name]: axes[images[part.name]] for part in parts if part.classes is not None}, what)
    others = [key for key in arrays.keys if key not in (*images.values(), *labels.values(), given)]
    return parts, axes, names, f"; {first_few(others)} left alone" if others else ""


def classes_of(
    arrays: ArrayFile, label_key: str, key: str, count: int, names: Sequence[str] | None
) -> list[str] | None:
    """The class of each of the `count` images under `key`; None where none of them has a label."""
    given = arrays.read(label_key)
    if given.size and given.dtype.kind in "if" and (given == UNLABELLED).all():
        return None
    classes = class_of_each(f"{arrays.what}: {label_key}", given, names)
    if len(classes) != count:
        raise BadInput(
            f"{arrays.what}: {label_key} has {len(classes):,} labels and {key} {count:,} images: one each is needed"
        )
    return classes


def keys_of(keys: Sequence[str], words: frozenset[str], what: str) -> dict[str, str]:
    """The keys that name images, or labels, by the word for the split in them; "" without one."""
    found: dict[str, str] = {}
    for key in keys:
        parts = [part for part in re.split(r"[^a-z]+", key.casefold()) if part]
        splits = [SPLIT_OF[part] for part in parts if part in SPLIT_OF]
        if len(parts) == len(splits) + 1 and len(splits) <= 1 and not words.isdisjoint(parts):
            split = splits[0] if splits else ""
            if (twin := found.setdefault(split, key)) != key:
                raise BadInput(f"{what}: {twin} and {key} may both be meant; keep one of them")
    return found


def require_pairs(images: dict[str, str], labels: dict[str, str], keys: Sequence[str], what: str) -> None:
    there = first_few(keys, 8) or "nothing"
    if not images:
        raise BadInput(f"{what}: no array of images (expected {EXPECTED}); there is {there}")
    for split, key in images.items():
        if split not in labels and split in ("", "train"):
            raise BadInput(f"{what}: {key} has no labels beside it (expected {EXPECTED}); there is {there}")
    for split, key in labels.items():
        if split not in images:
            raise BadInput(f"{what}: {key} has no images beside it (expected {EXPECTED}); there is {there}")


def require_one_shape(axes: dict[str, Axes], what: str) -> None:
    for first, key in itertools.pairwise(axes):
        one, other = axes[first].shape_of_an_image, axes[key].shape_of_an_image
        if one != other:
            raise BadInput(f"{what}: images of {first} are {one} and those of {key} {other}: one shape is needed")


def read_arrays(listing: ArrayListing, data: DataConfig, size: int, watcher: Watcher) -> Arrays:
    """Both splits as they are, or as photographs of another size are: squares by `data.fit`."""
    import torch

    what = said(listing.file)
    arrays = ArrayFile(listing.file, what)
    images = sum(axes.images for axes in listing.axes.values())
    require_memory(what, images, listing.channels, max(size, listing.side))
    raw = {key: arrays.read(key) for key in listing.axes}
    scale = one_range(raw, what)
    pixels = {key: as_uint8(raw.pop(key), axes, scale, size, data.fit) for key, axes in listing.axes.items()}
    train, test = (rows_of(pixels, rows, listing.channels, size) for rows in (listing.train, listing.test))
    return Arrays(
        train, torch.tensor(listing.train_labels, dtype=torch.int64),
        test, torch.tensor(listing.test_labels, dtype=torch.int64),
        listing.class_names, listing.split,
    )  # fmt: skip


def rows_of(pixels: dict[str, np.ndarray], rows: Sequence[Row], channels: int, size: int) -> torch.Tensor:
    """uint8 [N, C, S, S]; no copy where they follow one another in one array."""
    import torch

    if not rows:
        return torch.empty((0, channels, size, size), dtype=torch.uint8)
    keys = dict.fromkeys(row.key for row in rows)
    parts = [taken(torch.from_numpy(pixels[key]), [row.number for row in rows if row.key == key]) for key in keys]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


NPZ = FolderSet(
    form="npz:FILE",
    about="arrays of images and labels in one file of NumPy: images, labels; x_train, y_train, x_test, ...",
    small_images=True,
    list_files=list_arrays,
    list_all=list_all_arrays,
    read=read_arrays,
    keeps_size=True,
)
