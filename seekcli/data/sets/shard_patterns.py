"""From `shards-{000..009}.tar`, or a folder of shards, to the files that are meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from seekcli.data.sets.system_files import is_hidden, is_system
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, MissingData

RANGE = re.compile(r"(\d+)\.\.(\d+)")
ADDRESS = re.compile(r"(^|/)([a-z][a-z0-9+]+:/|pipe:)")  # as paths are written: https:/host/..., s3:/..., pipe:cat ...
MOST_SHARDS = 1_000_000
SHARD_SUFFIX = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def is_pattern(text: str) -> bool:
    return "{" in text


def fixed_part(path: Path) -> Path:
    """The folder that a pattern begins in; the path itself where it is none."""
    parts = path.parts
    first = next((index for index, part in enumerate(parts) if is_pattern(part)), len(parts))
    return Path(*parts[:first]) if first else Path()


def pattern_label(path: Path) -> str:
    """What a pattern is called in records: all that follows the folder that it begins in."""
    if not is_pattern(str(path)):
        return Path(os.path.realpath(path)).name
    return str(path.relative_to(fixed_part(path)))


def find_shards(path: Path, what: str) -> list[Path]:
    """The shards that a folder, a pattern or the path of one shard means, in a fixed order; `what` begins a message.

    Raises BadInput where there are none, or one that a pattern names is missing.
    """
    if path.is_dir():
        return shards_below(path, what)
    if not is_pattern(str(path)):
        if not path.exists():
            raise MissingData(f"{what}: no such file or folder{hint_on(path)}")
        return [path]
    shards = [Path(text) for text in expanded(str(path), what)]
    if twins := {str(shard) for shard in shards if shards.count(shard) > 1} if len(shards) < 1000 else set():
        raise BadInput(f"{what}: the pattern names {min(twins)} twice")
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        kind = MissingData if len(missing) == len(shards) else BadInput
        raise kind(
            f"{what}: {len(missing):,} of its {len(shards):,} shards are missing ({first_few(missing)}){hint_on(path)}"
        )
    return shards


def hint_on(path: Path) -> str:
    """What else a path may be meant as that names no file here: patterns of a shell, and what webdataset can open."""
    if ADDRESS.search(str(path)):
        return "; nothing is fetched: download the shards and name their folder"
    if any(letter in str(path) for letter in "*?["):
        return "; patterns are as shards-{000..009}.tar, and a folder means all shards in it"
    return ""


def shards_below(folder: Path, what: str) -> list[Path]:
    found, packed = [], []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name) and not is_system(name))
        shown = [name for name in sorted(names) if not is_hidden(name) and not is_system(name)]
        found += [Path(place, name) for name in shown if name.lower().endswith(SHARD_SUFFIX)]
        packed += [name for name in shown if name.lower().endswith(PACKED)]
    if packed:
        raise compressed(what, packed[0])
    if not found:
        raise BadInput(f"{what}: there are no shards (*.tar) in it")
    return sorted(found)


def compressed(what: str, name: str) -> BadInput:
    return BadInput(f"{what}: {name} is compressed, and images are read from any place in a shard: unpack it to a .tar")


def expanded(pattern: str, what: str) -> Iterator[str]:
    """`a{0..2}.tar` and `{x,y}.tar`, one in the other too, as a shell writes them out."""
    start = pattern.find("{")
    if start < 0:
        if "}" in pattern:
            raise unbalanced(what)
        yield pattern
        return
    stop = closing(pattern, start, what)
    for choice in choices(pattern[start + 1 : stop], what):
        for inner in expanded(choice, what):
            for rest in expanded(pattern[stop + 1 :], what):
                yield f"{pattern[:start]}{inner}{rest}"


def unbalanced(what: str) -> BadInput:
    return BadInput(f"{what}: its braces do not match; patterns are as shards-{{000..009}}.tar or {{train,val}}.tar")


def closing(pattern: str, start: int, what: str) -> int:
    depth = 0
    for index in range(start, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[index], 0)
        if depth == 0:
            return index
    raise unbalanced(what)


def choices(inside: str, what: str) -> list[str]:
    """What may stand in the place of a pair of braces: numbers of equal width, or words between commas."""
    if (ends := RANGE.fullmatch(inside)) is not None:
        first, last = int(ends[1]), int(ends[2])
        width = len(ends[1]) if ends[1].startswith("0") or len(ends[1]) == len(ends[2]) else 0
        if not 0 <= last - first < MOST_SHARDS:
            raise BadInput(
                f"{what}: {{{inside}}} counts from {first} to {last}; expected up to {MOST_SHARDS:,} numbers"
            )
        return [f"{number:0{width}}" for number in range(first, last + 1)]
    words, depth, begun = [], 0, 0
    for index, letter in enumerate(inside):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            words.append(inside[begun:index])
            begun = index + 1
    if not words:
        raise BadInput(f"{what}: {{{inside}}} is no range of numbers, as {{000..009}}, and no list, as {{train,val}}")
    return [*words, inside[begun:]]
