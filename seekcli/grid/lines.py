"""In which line of a TOML file a key stands: its reader tells no lines of what it has read."""

from __future__ import annotations

import re

KEY = re.compile(r"\s*([\w.\-\" ]+?)\s*=")
HEADER = re.compile(r"\s*(\[{1,2})\s*([\w.\-\" ]+?)\s*\]{1,2}\s*(#.*)?$")


def line_of(text: str, path: str) -> int | None:
    """The line, from 1, of `arms[2].train.epochs`, else of the nearest table or key around it; None for none."""
    found, best = None, 0
    prefix = ""
    counts: dict[str, int] = {}
    wanted = parts(path)
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            prefix = numbered(bare(header[2]), header[1] == "[[", counts)
            here = parts(prefix)
        elif key := KEY.match(line):
            here = parts(f"{prefix}.{bare(key[1])}")
        else:
            continue
        if wanted[: len(here)] == here and len(here) > best:
            found, best = number, len(here)
    return found


def numbered(name: str, is_new: bool, counts: dict[str, int]) -> str:
    """`arms.motivation` -> `arms[2].motivation` in the second of the [[arms]]; `counts` is how many there were."""
    if is_new:
        counts[name] = counts.get(name, 0) + 1
    for table, count in counts.items():
        if name == table or name.startswith(f"{table}."):
            return f"{table}[{count}]{name[len(table) :]}"
    return name


def bare(name: str) -> str:
    return name.replace('"', "").replace(" ", "")


def parts(path: str) -> list[str]:
    return [part for part in path.split(".") if part]
