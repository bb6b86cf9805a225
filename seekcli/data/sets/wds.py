"""Shards as webdataset makes them: tar files of images with their labels, streamed as ImageNet's files are.

A sample is the files of one name up to its first dot: an image (`0001.jpg`) and its label (`0001.cls`, a number or a
name; or `0001.json` with one). A shard is listed once; then every image is read from its place in it, in any order: the
order of training, crops and an exact resume are those of `imagenet:`. What is compressed has no such places.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seekcli.config.settings import DataConfig
from seekcli.data.images.places import TarMember
from seekcli.data.sets import imagenet
from seekcli.data.sets.folder_walk import is_image
from seekcli.data.sets.identity import ImageFile, printable
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.labels import texts_as_classes
from seekcli.data.sets.layout import SPLIT_OF
from seekcli.data.sets.samples import LabelledListing, Part, all_for_test, divide, listing_of_samples
from seekcli.data.sets.shard_patterns import PACKED, compressed, find_shards, fixed_part, pattern_label, split_of
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput
from seekcli.plain_data import parse_json

LABEL_KEYS = ("label", "cls", "class", "class_name", "target")  # of a .json, the first that it has
MOST_LABEL_BYTES = 2**20
BLOCK = tarfile.BLOCKSIZE
MOST_PADDING_BYTES = 2**20


@dataclass
class Found:
    """The images of one split and their labels as texts: of all or of none."""

    images: list[ImageFile] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, image: ImageFile, label: str | None) -> None:
        self.images.append(image)
        self.labels += [] if label is None else [label]


def list_shards(path: Path, data: DataConfig) -> imagenet.ImageNetListing:
    """Raises BadInput, naming the shard, for one that is damaged or has an image without a label."""
    what = said(path)
    if data.rules == 1:
        raise BadInput(f"data.rules 1 is how earlier versions read folders, and this is {what.removeprefix('--data ')}")
    parts, left_out = parts_of(path, what)
    listing = listing_of_samples(root_of(path), divide(what, parts))
    return imagenet.streamed(with_words(listing, left_out), data.whole_digest)


def list_all_shards(path: Path, data: DataConfig, class_names: Sequence[str]) -> LabelledListing:
    """Every image, whatever its split, by the classes of a trained model."""
    what = said(path)
    parts, left_out = parts_of(path, what)
    return with_words(listing_of_samples(root_of(path), all_for_test(what, parts, class_names)), left_out)


def said(path: Path) -> str:
    return f"--data wds:{path}"


def root_of(path: Path) -> Path:
    """The folder that the shards are in."""
    folder = fixed_part(path)
    return folder.parent if folder.is_file() else folder


def with_words(listing: LabelledListing, words: str) -> LabelledListing:
    return replace(listing, split=listing.split + words)


def parts_of(path: Path, what: str) -> tuple[list[Part[ImageFile]], str]:
    """The splits by the words in the names of shards and of the folders they are in; what was left out, in words."""
    root = root_of(path)
    found: dict[str, Found] = {}
    others: Counter[str] = Counter()
    shards = find_shards(path, what)
    for shard in shards:
        word = split_of(shard, root, what)
        part = found.setdefault(SPLIT_OF.get(word, word), Found())
        for image, label in samples_in(shard, root, what, others):
            part.add(image, label)
    for split, part in found.items():
        if 0 < len(part.labels) < len(part.images):
            raise BadInput(f"{what}: some shards of {split or 'it'} have labels, and some have none")
    empty = [split or "it" for split, part in found.items() if not part.images]
    if empty:
        raise BadInput(f"{what}: no images in the shards of {empty[0]}{others_note(others)}")
    # All labels are read by one rule: numbers everywhere, or texts.
    classes = iter(texts_as_classes(what, [label for part in found.values() for label in part.labels]))
    named = {split: [next(classes) for _ in part.labels] for split, part in found.items()}
    parts = [Part(split, part.images, named[split] or None) for split, part in found.items()]
    return parts, f"; {len(shards):,} shards{others_note(others)}"


def others_note(others: Counter[str]) -> str:
    if not others:
        return ""
    counts = first_few([f"{count} {suffix}" for suffix, count in others.most_common()], 5)
    return f"; files that are no images and no labels left out: {counts}"


def samples_in(shard: Path, root: Path, what: str, others: Counter[str]) -> Iterator[tuple[ImageFile, str | None]]:
    """The images of a shard in its own order, each with its label as a text; None where no image there has one.

    `others` counts the files that are neither, by suffix.
    """
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, tarfile.TarInfo] = {}
    for member in members_of(shard, what):
        folder, _, name = member.name.rpartition("/")
        key, _, suffix = name.partition(".")
        key, suffix = f"{folder}/{key}", suffix.lower()
        where = images if is_image(name) else labels if suffix in ("cls", "json") else None
        if where is None:
            others[f".{suffix}" if suffix else "without suffix"] += 1
        elif key not in where or (where is labels and suffix == "cls"):
            where[key] = member
        elif where is images:
            raise BadInput(f"{what}: {shard.name} has two images of one sample, {where[key].name} and {member.name}")
    lacking = [images[key].name for key in images if key not in labels]
    if lacking and labels:
        raise BadInput(
            f"{what}: {len(lacking):,} of {len(images):,} images in {shard.name} have no label beside them "
            f"({first_few([printable(name) for name in lacking])}): NAME.cls or NAME.json is needed"
        )
    inside, status = shard.relative_to(root).as_posix(), os.stat(shard)
    with open(shard, "rb") as file:
        for key, member in images.items():
            held = TarMember(str(shard), printable(member.name), member.offset_data, member.size)
            path = f"{inside}/{printable(member.name)}"
            version = member.size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
            label = label_in(file, labels[key], f"{what}: {shard.name}") if labels else None
            yield ImageFile(path, *version, held), label


def members_of(shard: Path, what: str) -> list[tarfile.TarInfo]:
    """The files in a shard. Raises BadInput for what is no tar, is compressed, or does not end as a tar ends."""
    if shard.name.lower().endswith(PACKED):
        raise compressed(what, shard.name)
    try:
        with tarfile.open(shard, "r:") as archive:
            members = [member for member in archive if member.isreg() and not is_hidden_name(member.name)]
            end = archive.offset
        with open(shard, "rb") as file:
            file.seek(end)
            rest = file.read(MOST_PADDING_BYTES)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadInput(f"{what}: {shard.name} is damaged, or no tar: {error}") from error
    # tarfile takes a header that it cannot read for the end; a tar ends in blocks of zeros, and in nothing else.
    if len(rest) < BLOCK or any(rest[:BLOCK]):
        raise BadInput(
            f"{what}: {shard.name} is damaged or cut short: behind {len(members):,} files is no end of a tar"
        )
    if any(rest) or len(rest) == MOST_PADDING_BYTES:
        raise BadInput(
            f"{what}: {shard.name} goes on behind the end of a tar: several that were joined? Give each alone"
        )
    if any(member.sparse is not None for member in members):
        raise BadInput(f"{what}: {shard.name} holds sparse files; write it again without")
    return members


def is_hidden_name(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def label_in(file: Any, member: tarfile.TarInfo, where: str) -> str:
    """The label as a text, from a .cls or a .json."""
    if member.size > MOST_LABEL_BYTES:
        raise BadInput(f"{where}: {member.name} has {member.size:,} bytes: too long for a label")
    file.seek(member.offset_data)
    data = file.read(member.size)
    if not member.name.lower().endswith("json"):
        try:
            text: str = data.decode("utf-8").strip()
        except UnicodeDecodeError:
            text = ""
        if not text or "\n" in text:
            raise BadInput(f"{where}: {member.name} holds no label: a number or a name is needed")
        return text
    return label_of_json(data, f"{where}: {member.name}")


def label_of_json(data: bytes, where: str) -> str:
    try:
        tree = parse_json(data)
    except ValueError as error:
        raise BadInput(f"{where}: no JSON ({error})") from error
    if not isinstance(tree, dict):
        raise BadInput(f"{where}: a {type(tree).__name__} and no object with a label")
    key = next((key for key in LABEL_KEYS if key in tree), None)
    if key is None:
        there = first_few([json.dumps(name) for name in tree], 5) or "no keys"
        raise BadInput(f"{where}: no label: expected one of the keys {', '.join(LABEL_KEYS)}; there is {there}")
    value = tree[key]
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise BadInput(f"{where}: {key} is {json.dumps(value)[:40]}: a number or a text is needed")
    return str(value)


WDS = FolderSet(
    form="wds:PATTERN",
    about="shards of webdataset, as train-{000..009}.tar or a folder of them, streamed as imagenet: is",
    like_imagenet=True,
    list_files=list_shards,
    list_all=list_all_shards,
    read=lambda listing, data, size, watcher: listing.arrays(size, data.test_crop, data.grey_bits, data.fit),
    streamed=True,
    label=pattern_label,
)
