"""Shards as webdataset makes them: tar files of images with their labels, streamed as ImageNet's files are.

A sample is the files of one name up to its first dot: an image (`0001.jpg`) and its label (`0001.cls`, a number or a
name; or `0001.json` with one). A shard is listed once; then every image is read from its place in it, in any order: the
order of training, crops and an exact resume are those of `imagenet:`. What is compressed has no such places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seekcli.config.settings import DataConfig
from seekcli.data.images.places import TarMember
from seekcli.data.sets import imagenet
from seekcli.data.sets.identity import ImageFile
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.labels import no_label_in, texts_as_classes
from seekcli.data.sets.layout import split_in_path
from seekcli.data.sets.samples import LabelledListing, Part, all_for_test, divide, listing_of_samples
from seekcli.data.sets.shard_index import contents_of_shard
from seekcli.data.sets.shard_patterns import find_shards, fixed_part, pattern_label
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, counted


@dataclass
class Samples:
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
    found: dict[str, Samples] = {}
    others: Counter[str] = Counter()
    shards = find_shards(path, what)
    for shard in shards:
        part = found.setdefault(split_in_path(shard, root, what), Samples())
        contents = contents_of_shard(shard, what)
        others.update(contents.others)
        inside, container = shard.relative_to(root).as_posix(), str(shard)
        for image in contents.images:
            held = TarMember(container, image.name, image.start, image.size_bytes)
            file = ImageFile(f"{inside}/{image.name}", image.size_bytes, *contents.version[1:], held)
            part.add(file, image.label)
    for split, part in found.items():
        if 0 < len(part.labels) < len(part.images):
            raise BadInput(f"{what}: some shards of {split or 'it'} have labels, and some have none")
        if no_label_in(part.labels):
            part.labels = []
    empty = [split or "it" for split, part in found.items() if not part.images]
    if empty:
        raise BadInput(f"{what}: no images in the shards of {empty[0]}{others_note(others)}")
    # All labels are read by one rule: numbers everywhere, or texts.
    classes = iter(texts_as_classes(what, [label for part in found.values() for label in part.labels]))
    named = {split: [next(classes) for _ in part.labels] for split, part in found.items()}
    parts = [Part(split, part.images, named[split] or None) for split, part in found.items()]
    return parts, f"; {counted(len(shards), 'shard')}{others_note(others)}"


def others_note(others: Counter[str]) -> str:
    if not others:
        return ""
    counts = first_few([f"{count} {suffix}" for suffix, count in others.most_common()], 5)
    return f"; files that are no images and no labels left out: {counts}"


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
