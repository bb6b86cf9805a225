"""A folder of images, one folder per class: what is in it, and its pixels. Listing it needs the standard library alone.

Layouts: `train/CLASS/...` with `test/`, `val/`, `valid/` or `validation/` (the first of them with class folders is the
test split, the others are left alone); or `train/CLASS/...` or `CLASS/...` alone, then a fixed stratified 80/20 split.
A class is all images in its folder and in the folders below, links followed. Hidden files and files that are no images
by their suffix are left out; the note on the split says how many.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from seekcli.data.images.arrays import Arrays, Watcher, require_memory, unwatched
from seekcli.data.images.cache import cached
from seekcli.data.sets.identity import ImageFile, contents, names_and_sizes, read_digests, shown, text_digest
from seekcli.data.sets.layout import find_layout
from seekcli.data.sets.system_files import is_hidden, is_system
from seekcli.data.splitting.splits import BOTH_SIDES, TEST_SPLIT, by_rules, chosen_per_class, count_for_test, first_few
from seekcli.errors import BadInput, unknown

SUFFIXES = (".apng", ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
            ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp")  # fmt: skip
TEST_NAMES = ("test", "val", "valid", "validation")
CHANNELS = 3
# Not done unasked: what fits depends on the machine, and streamed images are cut and normalised by other rules.
OR_STREAM = ", and --data imagenet:DIR streams images from disk (DIR/train/CLASS/ and DIR/val/CLASS/)"


@dataclass
class Found:
    """What a walk came upon: images by class, and what was left out.

    By rules 2 `system` counts what a system or a tool left there, by name, and `unread` the other files of each class
    that are no images, by suffix.
    """

    rules: int = 1
    images: dict[str, list[ImageFile]] = field(default_factory=dict)
    left_out: int = 0
    outside: int = 0
    system: Counter[str] = field(default_factory=Counter)
    unread: dict[str, Counter[str]] = field(default_factory=dict)

    def leave_out(self, prefix: str, name: str) -> None:
        self.left_out += 1
        if self.rules >= 2 and not is_hidden(name):
            of_class = prefix.split("/")[1 if self.nested else 0]
            self.unread.setdefault(of_class, Counter())[os.path.splitext(name)[1].lower() or "no suffix"] += 1

    nested: bool = False

    def skips(self, name: str) -> bool:
        """Whether it is left out, and counted, because a system or a tool made it."""
        if self.rules == 1 or not is_system(name):
            return False
        self.system[name] += 1
        return True


@dataclass(frozen=True)
class Listing:
    """The images of a folder, by split, in a fixed order; labels index `class_names`."""

    root: Path
    class_names: tuple[str, ...]
    train: tuple[ImageFile, ...]
    train_labels: tuple[int, ...]
    test: tuple[ImageFile, ...]
    test_labels: tuple[int, ...]
    split: str

    @property
    def files_to_read(self) -> tuple[ImageFile, ...]:
        """What its identity by contents is of: every file."""
        return (*self.train, *self.test)

    @property
    def sizes(self) -> str:
        """sha256 over the sorted relative paths and sizes in bytes: contents, times and place do not count."""
        return names_and_sizes(self.files_to_read)


def scan(root: Path, rules: int = 1) -> Listing:
    """List the folder. Raises BadInput, naming what is wrong, unless it gives two splits of two or more classes."""
    try:
        return listing_of(root) if rules == 1 else listing_by_layout(root)
    except OSError as error:
        where = f" in {error.filename}" if error.filename and Path(error.filename) != root else ""
        raise BadInput(f"--data folder:{root}: {error.strerror or error}{where}") from error


def listing_of(root: Path) -> Listing:
    folders = subfolders(root)
    test_name = next((name for name in TEST_NAMES if name in folders and subfolders(root / name)), None)
    if "train" in folders and subfolders(root / "train"):
        train = walk_classes(root, "train/")
        test = walk_classes(root, f"{test_name}/") if test_name else None
        return split_as_given(root, train, test, test_name) if test and test_name else split_here(root, train, "train")
    if test_name:
        raise BadInput(f"--data folder:{root}: there is {test_name}/ and no train/ with one folder per class")
    return split_here(root, walk_classes(root, ""), "")


def listing_by_layout(root: Path) -> Listing:
    """By rules 2: usual words in any case, system folders left out, no class rounded away."""
    what = f"--data folder:{root}"
    layout = find_layout(root, what)
    if layout.train is None:
        if layout.test is not None:
            raise BadInput(f"{what}: there is {layout.test}/ and no train/ with one folder per class")
        return split_here(root, walk_classes(root, "", 2), "")
    train = walk_classes(root, f"{layout.train}/", 2)
    beside = [name for name in layout.left_alone if name != layout.test]
    alone = f"; {first_few([f'{shown(name)}/' for name in beside])} left alone" if beside else ""
    if layout.test is None:
        return replace_split(split_here(root, train, layout.train), alone)
    test = walk_classes(root, f"{layout.test}/", 2)
    return replace_split(split_as_given(root, train, test, layout.test, layout.train), alone)


def replace_split(listing: Listing, more: str) -> Listing:
    return replace(listing, split=listing.split + more)


def subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_shown(entry.name) and entry.is_dir())


def is_shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def walk_classes(root: Path, prefix: str, rules: int = 1, kind: str = "folder") -> Found:
    """All images below root/prefix, by class. Raises BadInput when there are none, or a class folder is without any."""
    found = Found(rules, nested=bool(prefix))
    base = root / prefix
    # A link from a class to what lies above it would bring in the other classes.
    above = (identity_of(root), identity_of(base))
    for name in subfolders(base):
        if found.skips(name):
            continue
        found.images[name] = sorted(walk(base / name, f"{prefix}{name}/", found, above), key=lambda file: file.path)
    with os.scandir(base) as entries:
        found.outside = sum(is_shown(entry.name) and entry.is_file() and is_image(entry.name) for entry in entries)
    if not any(found.images.values()):
        hint = "images must be in one folder per class" if found.outside else f"looked for {' '.join(SUFFIXES)}"
        raise BadInput(f"--data {kind}:{root}: no images in class folders{f' of {prefix}' if prefix else ''} ({hint})")
    return found


def walk(folder: Path, prefix: str, found: Found, above: tuple[tuple[int, int], ...]) -> Iterator[ImageFile]:
    """The images in a folder and below; `above` holds the folders on the way here, so that a link upwards ends."""
    here = identity_of(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if found.skips(entry.name):
                continue
            if is_shown(entry.name) and entry.is_dir():
                yield from walk(Path(entry.path), f"{prefix}{entry.name}/", found, (*above, here))
            elif is_shown(entry.name) and is_image(entry.name):
                stat = entry.stat()  # of what a link leads to; a broken link is an error that names it
                yield ImageFile(prefix + entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            else:
                found.leave_out(prefix, entry.name)


def identity_of(folder: Path) -> tuple[int, int]:
    """Device and inode: the same folder by any path."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def split_as_given(root: Path, train: Found, test: Found, test_name: str, train_name: str = "train") -> Listing:
    """Train and test as they lie there. The test split may lack a class, but not have one of its own."""
    names = class_names(root, train, f"{train_name}/")
    for name, images in test.images.items():
        if images and name not in names:
            raise BadInput(f"--data folder:{root}: {unknown(f'class in {test_name}/:', name, names)}")
    untested = [name for name in names if not test.images.get(name)]
    note = f"{train_name}/ and {test_name}/ as given{left_out_note(train, test)}"
    if untested:
        few = f"{untested[0]}..." if train.rules == 1 else first_few([shown(name) for name in untested])
        note += f"; {test_name}/ has no images of {len(untested)} classes ({few})"
    train_files, train_labels = labelled(train, names)
    test_files, test_labels = labelled(test, names)
    return Listing(root, tuple(map(shown, names)), train_files, train_labels, test_files, test_labels, note)


def split_here(root: Path, found: Found, where: str) -> Listing:
    """The stated split of one folder of classes. An image's path decides which side it is on."""
    names = class_names(root, found, f"{where}/" if where else "")
    for name in names:
        if len(found.images[name]) < 2:
            raise BadInput(f"--data folder:{root}: class {name} has a single image, too few to split for a test")
    files, labels = labelled(found, names)
    # ascii(): a file name need not be text, and the key is of text
    keys = [ascii(file.path) for file in files]
    both, count = by_rules(found.rules, BOTH_SIDES), count_for_test(len(files))
    if found.rules >= 2:  # one of each class at least
        count = min(max(count, len(names)), len(files) - len(names))
    chosen = set(chosen_per_class(labels, count, "folder test", keys, both))
    train = [index for index in range(len(files)) if index not in chosen]
    test = sorted(chosen)
    return Listing(
        root, tuple(map(shown, names)),
        tuple(files[index] for index in train), tuple(labels[index] for index in train),
        tuple(files[index] for index in test), tuple(labels[index] for index in test),
        f"{TEST_SPLIT}{f' of {where}/' if where else ''}{left_out_note(found)}",
    )  # fmt: skip


def class_names(root: Path, found: Found, prefix: str) -> tuple[str, ...]:
    names = tuple(sorted(found.images))
    for name in names:
        if not found.images[name]:
            lost = ", ".join(f"{n} {suffix}" for suffix, n in found.unread.get(name, Counter()).most_common())
            but = f", but files that seek does not read ({lost})" if lost else ""
            raise BadInput(f"--data folder:{root}: the class folder {prefix}{shown(name)} holds no images{but}")
    if len(names) < 2:
        raise BadInput(f"--data folder:{root}: one class only ({names[0]}); it takes a folder for each of two or more")
    return names


def labelled(found: Found, names: tuple[str, ...]) -> tuple[tuple[ImageFile, ...], tuple[int, ...]]:
    pairs = [(file, label) for label, name in enumerate(names) for file in found.images.get(name, [])]
    return tuple(file for file, _ in pairs), tuple(label for _, label in pairs)


def left_out_note(*walks: Found) -> str:
    others, outside = sum(found.left_out for found in walks), sum(found.outside for found in walks)
    note = f"; {others} files that are no images (or hidden) left out" if others else ""
    note += unread_note(walks)
    system = sum((found.system for found in walks), Counter())
    if system:
        note += f"; system files and folders left out: {', '.join(f'{count} {name}' for name, count in system.items())}"
    return note + (f"; {outside} images outside the class folders left out" if outside else "")


def unread_note(walks: tuple[Found, ...]) -> str:
    """` (cat: 6 .heic, 1 .txt; dog: 2 .heic)`: what a class has lost, where a reader could not take a file for one."""
    by_class: dict[str, Counter[str]] = {}
    for found in walks:
        for name, suffixes in found.unread.items():
            by_class[name] = by_class.get(name, Counter()) + suffixes
    words = [f"{shown(name)}: {', '.join(f'{n} {suffix}' for suffix, n in by_class[name].most_common())}"
             for name in sorted(by_class)]  # fmt: skip
    return f" ({first_few(words, 5)})" if words else ""


def read(listing: Listing, image_size: int, watcher: Watcher = unwatched) -> Arrays:
    """Decode the listed images, or take them from the cache. Raises BadInput, naming the file, for a broken one."""
    import torch

    from seekcli.data.images.decoding import RULE, decode

    files = [*listing.train, *listing.test]
    require_memory(f"--data folder:{listing.root}", len(files), CHANNELS, image_size, OR_STREAM)
    digests = read_digests(listing.root, files)
    key = text_digest([contents(listing.sizes, digests), str(image_size), RULE])[:32]

    def build() -> dict[str, torch.Tensor]:
        paths = [os.path.join(listing.root, file.path) for file in files]
        return {"images": torch.from_numpy(decode(paths, image_size, watcher, [digests[file.path] for file in files]))}

    images = cached(f"folder-{key}", build)["images"]
    count = len(listing.train)
    return Arrays(
        images[:count], torch.tensor(listing.train_labels, dtype=torch.int64),
        images[count:], torch.tensor(listing.test_labels, dtype=torch.int64),
        listing.class_names, listing.split,
    )  # fmt: skip
