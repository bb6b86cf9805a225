"""What lies in a shard: its images, each with its place and its label. Needs the standard library alone.

Reading all headers of a tar takes a while, so what was found is kept in the cache folder; it counts only while the
shard is surely the one that was read, as a digest does (identity.py).
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from seekcli import files
from seekcli.data.images.cache import cache_folder
from seekcli.data.sets.folder_walk import is_image
from seekcli.data.sets.identity import Version, printable, settled, text_digest, version_of
from seekcli.data.sets.shard_patterns import PACKED, compressed
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, RunFailed
from seekcli.plain_data import parse_json

LABEL_KEYS = ("label", "cls", "class", "class_name", "target")  # of a .json, the first that it has
MOST_LABEL_BYTES = 2**20
BLOCK = tarfile.BLOCKSIZE
MOST_PADDING_BYTES = 2**20
INDEX_FORMAT = 1
MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")  # gzip, bzip2, xz, zstd: whatever the name says


class ShardImage(NamedTuple):
    """Its name in the shard, where its bytes begin, how many there are, and its label as a text."""

    name: str
    start: int
    size_bytes: int
    label: str | None


class Shard(NamedTuple):
    """The images in their order: all of them with a label, or none. `others` counts other files, by suffix."""

    version: Version
    images: list[ShardImage]
    others: dict[str, int]


def contents_of_shard(path: Path, what: str) -> Shard:
    """What was found in the shard before, where it is surely the same; else it is read.

    Raises BadInput, beginning with `what`, for one that is damaged or has an image without a label beside others.
    """
    kept = cache_folder() / "shards" / f"{text_digest([str(path.resolve())])[:32]}.json"
    try:
        before = version_of(str(path))
        if (known := load_index(kept)) is not None and known.version == before:
            return known
        images, others = read_shard(path, what)
        after = version_of(str(path))
    except OSError as error:
        raise BadInput(f"{what}: {path.name}: {error.strerror or error}") from error
    found = Shard(after, images, others)
    if settled(before, after) is not None:
        save_index(kept, found)
    return found


def load_index(path: Path) -> Shard | None:
    """None where the file is missing, damaged or of another format: the shard is read again."""
    try:
        tree = parse_json(path.read_bytes())
        if tree["format"] != INDEX_FORMAT:
            return None
        size, modified_ns, changed_ns, inode = tree["version"]
        return Shard(
            (size, modified_ns, changed_ns, inode), [ShardImage(*one) for one in tree["images"]], tree["others"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save_index(path: Path, shard: Shard) -> None:
    """Keep it. Where that fails the shard is read again next time, and nothing else is lost."""
    try:
        tree = {"format": INDEX_FORMAT, **shard._asdict()}
        files.write_bytes(path, json.dumps(tree, separators=(",", ":")).encode())
    except (RunFailed, OSError):
        return


def read_shard(path: Path, what: str) -> tuple[list[ShardImage], dict[str, int]]:
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, tarfile.TarInfo] = {}
    others: Counter[str] = Counter()
    for member in members_of(path, what):
        folder, _, name = member.name.rpartition("/")
        key, _, suffix = name.partition(".")
        key, suffix = f"{folder}/{key}", suffix.lower()
        where = images if is_image(name) else labels if suffix in ("cls", "json") else None
        if where is None:
            others[f".{suffix}" if suffix else "without suffix"] += 1
        elif key not in where or (where is labels and suffix == "cls"):
            where[key] = member
        elif where is images:
            raise BadInput(f"{what}: {path.name} has two images of one sample, {where[key].name} and {member.name}")
    lacking = [images[key].name for key in images if key not in labels]
    if lacking and labels:
        raise BadInput(
            f"{what}: {len(lacking):,} of {len(images):,} images in {path.name} have no label beside them "
            f"({first_few([printable(name) for name in lacking])}): NAME.cls or NAME.json is needed"
        )
    found = []
    with open(path, "rb") as file:
        for key, member in images.items():
            label = label_in(file, labels[key], f"{what}: {path.name}") if labels else None
            found.append(ShardImage(printable(member.name), member.offset_data, member.size, label))
    return found, dict(others)


def members_of(shard: Path, what: str) -> list[tarfile.TarInfo]:
    """The files in a shard. Raises BadInput for what is no tar, is compressed, or does not end as a tar ends."""
    if shard.name.lower().endswith(PACKED):
        raise compressed(what, shard.name)
    try:
        with open(shard, "rb") as file:
            if file.read(BLOCK).startswith(MAGICS):
                raise compressed(what, shard.name)
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
