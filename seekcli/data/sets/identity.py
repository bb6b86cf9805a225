"""The identity of a folder of images by its contents: the sha256 of the files' bytes.

What else is asked of each file is found at the same reading: whether it has more than 8 bits a channel.

Reading a file again is spared while it is surely the same: digests are kept in the cache folder, and one counts only
while the file's size, time of modification, time of change and inode are those that it was read with.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from seekcli import files
from seekcli.data.images.cache import cache_folder
from seekcli.data.images.depth import Depth, depth_of, may_be_deep
from seekcli.data.images.places import Held, Place
from seekcli.data.sets.kept_listings import kept
from seekcli.errors import BadInput, RunFailed
from seekcli.plain_data import parse_json

STORE_FORMAT = 3
CHUNK_FILES = 256
MAX_THREADS = 8
READ_BYTES = 2**20
# A file that changed this shortly before it was read may change once more within one tick of the file system's clock
# and keep its times (FAT has ticks of 2 s): its digest is not kept.
SETTLED_NS = 3 * 10**9
# Of a streamed tree only this many files are read for its identity, chosen by the hash of their paths.
SAMPLE_FILES = 2048

ReadWatcher = Callable[[int, int], None]  # is told how many of how many files are read


class ImageFile(NamedTuple):
    """`path` is relative to the data set's folder, with forward slashes; the rest is what the file system says.

    `held` is where the bytes are of an image that lies inside another file: then times and inode are those of that.
    """

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int = 0
    inode: int = 0
    held: Held | None = None

    def place(self, root: Path) -> Place:
        """Where its bytes are."""
        return os.path.join(root, self.path) if self.held is None else self.held

    @property
    def version(self) -> tuple[int, int, int, int]:
        """What is different after every change of the file."""
        return self.size_bytes, self.modified_ns, self.changed_ns, self.inode


def unwatched_reading(done: int, total: int) -> None:
    """For whoever does not ask how far the reading is."""


_watcher: ContextVar[ReadWatcher] = ContextVar("watcher of the reading of files", default=unwatched_reading)


@contextmanager
def reading_watched(watcher: ReadWatcher) -> Iterator[None]:
    """Tell `watcher` of every file that is read for an identity inside: that happens wherever a folder is named."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def text_digest(parts: Iterable[str]) -> str:
    """sha256 of joined text. A file name need not be text: surrogateescape gives its bytes back."""
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def names_and_sizes(listed: Iterable[ImageFile]) -> str:
    """sha256 over the sorted paths and sizes in bytes: the identity of a folder under `data.rules` 1."""
    entries = sorted((file.path, file.size_bytes) for file in listed)
    return text_digest(f"{path}\0{size}\n" for path, size in entries)


def contents(sizes: str, digests: dict[str, str]) -> str:
    """The identity of a folder from `names_and_sizes` of all its files and the sha256 of those that were read."""
    return text_digest([f"{sizes}\n", *(f"{path}\0{digests[path]}\n" for path in sorted(digests))])


def sample_of(listed: Iterable[ImageFile]) -> list[ImageFile]:
    """The files that stand for a streamed tree: a function of the paths alone."""
    return sorted(listed, key=lambda file: text_digest([file.path]))[:SAMPLE_FILES]


class Content(NamedTuple):
    """What the bytes of a file say: their sha256, and what `Depth` has of its pixels."""

    digest: str
    brightest: int | None = None
    cut: bool = False
    problem: str = ""


def read_digests(root: Path, wanted: Sequence[ImageFile]) -> dict[str, str]:
    """sha256 of the bytes of each file, by path, as `read_contents`."""
    return {path: content.digest for path, content in read_contents(root, wanted).items()}


def read_contents(root: Path, wanted: Sequence[ImageFile]) -> dict[str, Content]:
    """What each file holds, by path: kept knowledge where it still counts, the other files are read now.

    Raises BadInput that names a file which cannot be read.
    """
    path = store_path(root)
    stored = kept(("stored digests", path), lambda: load_store(path))
    just_read = kept(("digests read just now", path), dict[str, Entry])
    found = {}
    for file in wanted:
        for entry in (just_read.get(file.path), stored.get(file.path)):
            if entry is not None and entry[0] == file.version:
                found[file.path] = entry[1]
    missing = [file for file in wanted if file.path not in found]
    if not missing:
        return found
    listed = {file.path: file.version for file in missing}
    for name in listed:  # of what the file was before
        stored.pop(name, None)
    for name, version, content in hash_files(root, missing):
        found[name] = content
        just_read[name] = (listed[name], content)
        if version is not None:
            stored[name] = (version, content)
    save_store(path, stored)
    return found


Version = tuple[int, int, int, int]
Read = tuple[str, Version | None, Content]


def hash_files(root: Path, wanted: Sequence[ImageFile]) -> Iterator[Read]:
    """(path, version of the file, what it holds) of each file; no version where the file may be changing."""
    chunks = [wanted[start : start + CHUNK_FILES] for start in range(0, len(wanted), CHUNK_FILES)]
    watcher, done = _watcher.get(), 0
    watcher(0, len(wanted))
    pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))
    try:
        for reads in pool.map(lambda chunk: [hash_file(root, file) for file in chunk], chunks):
            done += len(reads)
            watcher(done, len(wanted))
            yield from reads
    finally:
        pool.shutdown(cancel_futures=True)


def hash_file(root: Path, listed: ImageFile) -> Read:
    if listed.held is not None:
        return hash_held(listed.path, listed.held)
    path, whole = listed.path, os.path.join(root, listed.path)
    try:
        with open(whole, "rb", buffering=0) as file:
            before = version_of(file.fileno())
            digest, head = hashlib.sha256(), b""
            while block := file.read(READ_BYTES):
                digest.update(block)
                head = head or block
            depth = depth_of(whole) if may_be_deep(head) else Depth()
            after = version_of(file.fileno())
    except OSError as error:
        raise BadInput(f"cannot read the image {printable(whole)}: {error.strerror or error}") from error
    return path, settled(before, after), Content(digest.hexdigest(), *depth)


def hash_held(path: str, held: Held) -> Read:
    """As `hash_file`, of an image inside another file: it is of that file's version, with its own size."""
    try:
        before, data, after = version_of(held.container), held.read(), version_of(held.container)
    except OSError as error:
        raise BadInput(f"cannot read the image {printable(str(held))}: {error.strerror or error}") from error
    depth = depth_of(io.BytesIO(data)) if may_be_deep(data[:READ_BYTES]) else Depth()
    version = settled(before, after)
    return path, version and (len(data), *version[1:]), Content(hashlib.sha256(data).hexdigest(), *depth)


def settled(before: Version, after: Version) -> Version | None:
    """The version of a file that was read in between; None where the file may be changing."""
    changing = before != after or time.time_ns() - max(after[1:3]) < SETTLED_NS
    return None if changing else after


def version_of(file: int | str) -> Version:
    """Of an open file by its handle, or of a path."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


Entry = tuple[Version, Content]  # what a file held when it was of that version
Store = dict[str, Entry]


def store_path(root: Path) -> Path:
    return cache_folder() / "digests" / f"{text_digest([os.path.realpath(root)])[:32]}.json"


def load_store(path: Path) -> Store:
    """What is kept; nothing where the file is missing, damaged or of another format: it is found again."""
    try:
        tree = parse_json(path.read_bytes())
        if tree["format"] != STORE_FORMAT:
            return {}
        return {
            name: (tuple(version), Content(str(content[0]), *content[1:]))
            for name, (version, content) in tree["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_store(path: Path, store: Store) -> None:
    """Keep it. Where that fails it is found again next time, and nothing else is lost."""
    tree = {"format": STORE_FORMAT, "files": store}
    try:
        files.write_bytes(path, json.dumps(tree, separators=(",", ":")).encode())
    except (RunFailed, OSError):
        return


def printable(name: str) -> str:
    """A file name as text that can be printed and stored: bytes that are no UTF-8 are written as `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
