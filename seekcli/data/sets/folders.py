"""A folder of images, one folder per class: what is in it, and its pixels. Listing it needs the standard library alone.

By rules 1: `train/CLASS/...` with `test/`, `val/`, `valid/` or `validation/` (the first of them with class folders is
the test split, the others are left alone); or `train/CLASS/...` or `CLASS/...` alone, then a fixed stratified 80/20
split. By rules 2 the splits have the usual words in any case (layout.py). The note on the split says what was left out.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from seekcli.config.value_types import Fit
from seekcli.data.images.arrays import Arrays, Watcher, require_memory, unwatched
from seekcli.data.images.cache import cached
from seekcli.data.sets.folder_walk import Found, left_out_note, subfolders, walk_classes
from seekcli.data.sets.identity import ImageFile, contents, names_and_sizes, printable, read_digests, text_digest
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.layout import find_layout, parts_note, require_no_other_split
from seekcli.data.splitting.splits import BOTH_SIDES, TEST_SPLIT, by_rules, chosen_per_class, count_for_test, first_few
from seekcli.errors import BadInput, MissingData, counted, unknown

if TYPE_CHECKING:
    from torch import Tensor

TEST_NAMES = ("test", "val", "valid", "validation")
CHANNELS = 3
# Not done unasked: what fits depends on the machine, and streamed images are cut and normalised by other rules.
OR_STREAM = ", and --data imagenet:DIR streams images from disk (DIR/train/CLASS/ and DIR/val/CLASS/)"


@dataclass(frozen=True)
class FolderListing:
    """The images of a folder, by split, in a fixed order; labels index `class_names`."""

    channels: ClassVar[int] = CHANNELS
    side: ClassVar[int | None] = None  # pixels a side where all images have one size

    root: Path
    class_names: tuple[str, ...]
    train: tuple[ImageFile, ...]
    train_labels: tuple[int, ...]
    test: tuple[ImageFile, ...]
    test_labels: tuple[int, ...]
    split: str

    def contents(self) -> str:
        """The identity by contents of every file."""
        return contents(self.sizes, read_digests(self.root, self.files_to_read))

    @property
    def files_to_read(self) -> tuple[ImageFile, ...]:
        """What its identity by contents is of: every file."""
        return (*self.train, *self.test)

    @property
    def test_paths(self) -> tuple[str, ...]:
        return tuple(printable(file.path) for file in self.test)

    @cached_property
    def sizes(self) -> str:
        """sha256 over the sorted relative paths and sizes in bytes: contents, times and place do not count."""
        return names_and_sizes(self.files_to_read)


def list_folder(root: Path, rules: int = 1) -> FolderListing:
    """List the folder. Raises BadInput, naming what is wrong, unless it gives two splits of two or more classes."""
    what = f"--data folder:{root}"
    try:
        return folder_by_names(root, what) if rules == 1 else folder_by_layout(root, what)
    except OSError as error:
        raise unreadable(what, root, error) from error


def unreadable(what: str, root: Path, error: OSError) -> BadInput:
    where = f" in {printable(str(error.filename))}" if error.filename and Path(error.filename) != root else ""
    kind = MissingData if isinstance(error, FileNotFoundError) and not root.exists() else BadInput
    return kind(f"{what}: {error.strerror or error}{where}")


def folder_by_names(root: Path, what: str) -> FolderListing:
    """By rules 1."""
    folders = subfolders(root)
    test_name = next((name for name in TEST_NAMES if name in folders and subfolders(root / name)), None)
    if "train" in folders and subfolders(root / "train"):
        train = walk_classes(root, what, "train/")
        test = walk_classes(root, what, f"{test_name}/") if test_name else None
        if test and test_name:
            return split_as_given(root, what, train, test, ("train", test_name))
        return split_here(root, what, train, "train")
    if test_name:
        raise BadInput(f"{what}: there is {test_name}/ and no train/ with one folder per class")
    return split_here(root, what, walk_classes(root, what, ""), "")


def folder_by_layout(root: Path, what: str) -> FolderListing:
    """By rules 2: usual words in any case, system folders left out, no class rounded away."""
    layout = find_layout(root, what)
    if layout.train is None:
        if layout.test is not None:
            raise BadInput(f"{what}: there is {layout.test}/ and no train/ with one folder per class")
        listing = split_here(root, what, walk_classes(root, what, "", 2), "")
        return replace(listing, split=listing.split + parts_note(root))
    train = walk_classes(root, what, f"{layout.train}/", 2)
    if layout.test is None:
        require_no_other_split(root, layout.train, layout.left_alone, what)
        listing = split_here(root, what, train, layout.train)
    else:
        test = walk_classes(root, what, f"{layout.test}/", 2)
        listing = split_as_given(root, what, train, test, (layout.train, layout.test))
    return replace(listing, split=listing.split + left_alone_note(layout.left_alone))


def left_alone_note(names: tuple[str, ...]) -> str:
    return f"; {first_few([f'{printable(name)}/' for name in names])} left alone" if names else ""


def split_as_given(root: Path, what: str, train: Found, test: Found, splits: tuple[str, str]) -> FolderListing:
    """Train and test as they lie there. The test split may lack a class, but not have one of its own."""
    train_name, test_name = map(printable, splits)
    names = class_names(what, train, f"{train_name}/")
    if train.rules >= 2:
        test = replace(test, images=by_names_of(names, test.images))
    for name, images in test.images.items():
        if images and name not in names:
            raise BadInput(
                f"{what}: {unknown(f'class in {test_name}/:', printable(name), list(map(printable, names)))}"
            )
    untested = [printable(name) for name in names if not test.images.get(name)]
    note = f"{train_name}/ and {test_name}/ as given{left_out_note(train, test)}"
    if untested:
        few = f"{untested[0]}..." if train.rules == 1 else first_few(untested)
        note += f"; {test_name}/ has no images of {counted(len(untested), 'class', 'classes')} ({few})"
    train_files, train_labels = labelled(train, names)
    test_files, test_labels = labelled(test, names)
    return FolderListing(root, tuple(map(printable, names)), train_files, train_labels, test_files, test_labels, note)


def by_names_of(names: tuple[str, ...], images: dict[str, list[ImageFile]]) -> dict[str, list[ImageFile]]:
    """The images of a test split by the names that the classes have in the training split, where these look equal."""
    known = {comparable(name): name for name in names}
    found: dict[str, list[ImageFile]] = {}
    for name, files in images.items():
        found.setdefault(known.get(comparable(name), name), []).extend(files)
    return {name: sorted(files, key=lambda file: file.path) for name, files in found.items()}


def comparable(name: str) -> str:
    """Names that look equal are equal: an accented letter may be one character or two."""
    return unicodedata.normalize("NFC", printable(name))


def split_here(root: Path, what: str, found: Found, where: str) -> FolderListing:
    """The stated split of one folder of classes. An image's path decides which side it is on."""
    names = class_names(what, found, f"{printable(where)}/" if where else "")
    for name in names:
        if len(found.images[name]) < 2:
            raise BadInput(f"{what}: class {printable(name)} has a single image, too few to split for a test")
    files, labels = labelled(found, names)
    # ascii(): a file name need not be text, and the key is of text
    keys = [ascii(file.path) for file in files]
    both, count = by_rules(found.rules, BOTH_SIDES), count_for_test(len(files))
    if found.rules >= 2:  # one of each class at least
        count = min(max(count, len(names)), len(files) - len(names))
    chosen = set(chosen_per_class(labels, count, "folder test", keys, both))
    train = [index for index in range(len(files)) if index not in chosen]
    test = sorted(chosen)
    return FolderListing(
        root, tuple(map(printable, names)),
        tuple(files[index] for index in train), tuple(labels[index] for index in train),
        tuple(files[index] for index in test), tuple(labels[index] for index in test),
        f"{TEST_SPLIT}{f' of {printable(where)}/' if where else ''}{left_out_note(found)}",
    )  # fmt: skip


def class_names(what: str, found: Found, prefix: str) -> tuple[str, ...]:
    names = tuple(sorted(found.images))
    alike: dict[str, str] = {}
    for name in names:
        if not found.images[name]:
            lost = ", ".join(f"{n} {suffix}" for suffix, n in found.unread.get(name, Counter()).most_common())
            but = f", but files that seek does not read ({lost})" if lost else ""
            raise BadInput(f"{what}: the class folder {prefix}{printable(name)} holds no images{but}")
        twin = alike.setdefault(comparable(name), name)
        if twin != name and found.rules >= 2:
            raise BadInput(f"{what}: two class folders of {prefix or 'it'} look equal: {twin!a} and {name!a}")
    if len(names) < 2:
        raise BadInput(f"{what}: one class only ({printable(names[0])}); it takes a folder for each of two or more")
    return names


def labelled(found: Found, names: tuple[str, ...]) -> tuple[tuple[ImageFile, ...], tuple[int, ...]]:
    pairs = [(file, label) for label, name in enumerate(names) for file in found.images.get(name, [])]
    return tuple(file for file, _ in pairs), tuple(label for _, label in pairs)


def read_folder(
    listing: FolderListing,
    image_size: int,
    watcher: Watcher = unwatched,
    grey_bits: int | None = None,
    fit: Fit = "crop",
    kind: str = "folder",
) -> Arrays:
    """Decode the listed images, or take them from the cache. Raises BadInput, naming the file, for a broken one."""
    import torch

    from seekcli.data.images.decoding import decode_files, rule_of

    files = [*listing.train, *listing.test]
    or_stream = OR_STREAM if kind == FOLDER.word else ""
    require_memory(f"--data {kind}:{listing.root}", len(files), CHANNELS, image_size, or_stream)
    digests = read_digests(listing.root, files)
    # One folder is listed in several orders: split for a run, whole for `seek evaluate`. The cache knows its contents
    # alone, so it holds the images in the order of their paths, whoever is first to decode them.
    by_path = sorted(files, key=lambda file: file.path)
    rule = [str(image_size), rule_of(grey_bits, fit), "in the order of paths"]
    key = text_digest([contents(listing.sizes, digests), *rule])[:32]

    def build() -> dict[str, torch.Tensor]:
        paths = [file.place(listing.root) for file in by_path]
        own = [digests[file.path] for file in by_path]
        return {"images": torch.from_numpy(decode_files(paths, image_size, watcher, own, grey_bits, fit))}

    images = cached(f"folder-{key}", build)["images"]
    place = {file.path: number for number, file in enumerate(by_path)}
    train, test = (taken(images, [place[file.path] for file in part]) for part in (listing.train, listing.test))
    return Arrays(
        train, torch.tensor(listing.train_labels, dtype=torch.int64),
        test, torch.tensor(listing.test_labels, dtype=torch.int64),
        listing.class_names, listing.split,
    )  # fmt: skip


def taken(images: Tensor, rows: Sequence[int]) -> Tensor:
    """These rows; no copy where they follow one another, as those of train/ and test/ do."""
    first = rows[0] if rows else 0
    if list(rows) == list(range(first, first + len(rows))):
        return images[first : first + len(rows)]
    return images[list(rows)]


FOLDER = FolderSet(
    form="folder:DIR",
    about="your images, a folder for each class, under train/ with test/ or val/, or split by us; see --image-size",
    list_files=lambda root, data: list_folder(root, data.rules),
    read=lambda listing, data, size, watcher: read_folder(listing, size, watcher, data.grey_bits, data.fit),
)
