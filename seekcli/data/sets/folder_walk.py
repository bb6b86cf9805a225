"""Walking a folder of class folders: which images there are, and what was left out. Needs the standard library alone.

A class is all images in its folder and in the folders below, links followed. Hidden files and files that are no images
by their suffix are left out and counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seekcli.data.sets.bare_paths import FOLDER, word_for
from seekcli.data.sets.identity import ImageFile, printable
from seekcli.data.sets.system_files import is_hidden, is_system
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput

SUFFIXES = (".apng", ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
            ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp")  # fmt: skip


@dataclass
class Found:
    """What a walk came upon: images by class, and what was left out.

    By rules 2 `system` counts what a system or a tool left there, by name, and `unread` the other files of each class
    that are no images, by suffix. `nested` says that the class folders lie in the folder of a split.
    """

    rules: int = 1
    images: dict[str, list[ImageFile]] = field(default_factory=dict)
    left_out: int = 0
    outside: int = 0
    system: Counter[str] = field(default_factory=Counter)
    unread: dict[str, Counter[str]] = field(default_factory=dict)
    nested: bool = False

    def leave_out(self, prefix: str, name: str) -> None:
        self.left_out += 1
        if self.rules >= 2 and not is_hidden(name):
            of_class = prefix.split("/")[1 if self.nested else 0]
            self.unread.setdefault(of_class, Counter())[os.path.splitext(name)[1].lower() or "no suffix"] += 1

    def skips(self, name: str) -> bool:
        """Whether it is left out, and counted, because a system or a tool made it."""
        if self.rules == 1 or not is_system(name):
            return False
        self.system[name] += 1
        return True


def subfolders(folder: Path, rules: int = 1) -> list[str]:
    """The folders in it that may be classes. By rules 2 system folders are told by whoever counts them."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return sorted(name for name in names if (is_shown(name) if rules == 1 else not is_hidden(name)))


def is_shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def walk_classes(root: Path, what: str, prefix: str, rules: int = 1) -> Found:
    """All images below root/prefix, by class, sorted by path; `what` begins the message of a BadInput.

    Raises BadInput when there are none.
    """
    found = Found(rules, nested=bool(prefix))
    base = root / prefix
    # A link from a class to what lies above it would bring in the other classes.
    above = (inode_of(root), inode_of(base))
    for name in subfolders(base, rules):
        if found.skips(name):
            continue
        found.images[name] = sorted(walk(base / name, f"{prefix}{name}/", found, above), key=lambda file: file.path)
    with os.scandir(base) as entries:
        found.outside = sum(is_shown(entry.name) and entry.is_file() and is_image(entry.name) for entry in entries)
    if not any(found.images.values()):
        hint = "images must be in one folder per class" if found.outside else f"looked for {' '.join(SUFFIXES)}"
        if (word := word_for(root)) not in (FOLDER, None):
            hint = f"name what is there as --data {word}:{root}"
        raise BadInput(f"{what}: no images in class folders{f' of {printable(prefix)}' if prefix else ''} ({hint})")
    return found


def walk(folder: Path, prefix: str, found: Found, above: tuple[tuple[int, int], ...]) -> Iterator[ImageFile]:
    """The images in a folder and below; `above` holds the folders on the way here, so that a link upwards ends."""
    here = inode_of(folder)
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


def inode_of(folder: Path) -> tuple[int, int]:
    """Device and inode: the same folder by any path."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def left_out_note(*walks: Found) -> str:
    others, outside = sum(found.left_out for found in walks), sum(found.outside for found in walks)
    note = f"; {others} files that are no images (or hidden) left out" if others else ""
    note += unread_note(walks)
    system = sum((found.system for found in walks), Counter())
    if system:
        counts = ", ".join(f"{count} {printable(name)}" for name, count in system.items())
        note += f"; system files and folders left out: {counts}"
    return note + (f"; {outside} images outside the class folders left out" if outside else "")


def unread_note(walks: tuple[Found, ...]) -> str:
    """` (cat: 6 .heic, 1 .txt; dog: 2 .heic)`: what a class has lost, where a reader could not take a file for one."""
    by_class: dict[str, Counter[str]] = {}
    for found in walks:
        for name, suffixes in found.unread.items():
            by_class[name] = by_class.get(name, Counter()) + suffixes
    words = [f"{printable(name)}: {', '.join(f'{n} {printable(suffix)}' for suffix, n in by_class[name].most_common())}"
             for name in sorted(by_class)]  # fmt: skip
    return f" ({first_few(words, 5)})" if words else ""
