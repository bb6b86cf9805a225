"""Plain data as text, JSON and TOML: read with bounds that every reader may rely on, written without NaN."""

from __future__ import annotations

import json
import math
import os
import stat
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seekcli.errors import UNSEEN, BadInput

# Whoever walks through plain data may do so by recursion, and may turn a whole number into a fraction.
DEEPEST, LARGEST_NUMBER = 50, sys.float_info.max
PLAIN_TYPES = frozenset((str, int, float, bool, type(None), list, dict))
TOO_DEEP = "its lists or tables are nested too deep"
TOO_LONG = "a number of more than 4,300 digits"  # Python reads none
# A whole number out of range has 309 digits.
LONG_NUMBER, DIGITS_ALIKE = b"0" * 300, bytes.maketrans(b"123456789", b"0" * 9)


def parse_json(data: bytes, finite_only: bool = True) -> Any:
    """Raises ValueError, in words for a user, for what is no JSON, too deep, or holds a number that is none."""
    if not finite_only and _is_short_of_bounds(data):
        from pydantic_core import from_json

        with suppress(ValueError):  # json says more of what is wrong, and takes a little that this does not
            return from_json(data)
    return checked(json.loads, data, json.JSONDecodeError, finite_only)


def _is_short_of_bounds(data: bytes) -> bool:
    """Whether JSON in UTF-8 cannot be too deep or hold a whole number out of range, told from its bytes alone: of
    thousands of documents each value would take its time."""
    return data.count(b"{") + data.count(b"[") <= DEEPEST and LONG_NUMBER not in data.translate(DIGITS_ALIKE)


def parse_toml(text: str) -> dict[str, Any]:
    """Raises ValueError as `parse_json`; TOML has NaN, which the schema of settings refuses."""
    tree: dict[str, Any] = checked(tomllib.loads, text, tomllib.TOMLDecodeError)
    return tree


def checked(parse: Any, text: Any, no_syntax: type[ValueError], finite_only: bool = False) -> Any:
    try:
        value = parse(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except (no_syntax, UnicodeDecodeError):
        raise
    except ValueError:
        raise ValueError(TOO_LONG) from None
    check_plain(value, finite_only)
    return value


def check_plain(value: Any, finite_only: bool) -> None:
    """Level by level, since what is checked may be nested too deep for recursion; by type first, which is fast."""
    level, depth, no_numbers = [value], 0, False
    while level:
        if depth > DEEPEST:
            raise ValueError(TOO_DEEP)
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                inner += each.values()
            elif kind is list:
                inner += each
            elif kind is float:
                no_numbers = no_numbers or (finite_only and not is_number(each))
            elif kind is int and not is_number(each):
                raise ValueError("a number in it is out of range")
            elif kind not in PLAIN_TYPES:  # what TOML has of its own, and subclasses
                inner += children(each)
        if no_numbers:
            raise ValueError("a number in it is none, or is out of range")
        level, depth = inner, depth + 1


def children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def is_number(value: float) -> bool:
    return abs(value) <= LARGEST_NUMBER  # of NaN it is False


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON for other programs: NaN and infinity, which it does not know, are null; nothing in it steers a terminal."""
    text = json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False)
    # In strings json has escaped the ends of lines already; those that are left are the layout.
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def finite(value: Any) -> Any:
    """The same plain data with null for every number that is none or infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value


def refuse_special(path: Path) -> None:
    """Raise BadInput for a pipe, a socket or a device: to open one in a run's folder may wait for ever."""
    kind = 0
    with suppress(OSError, ValueError):  # whoever opens it says what is wrong
        kind = os.stat(path).st_mode
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise BadInput(f"{path} is no file, but a pipe, a socket or a device")
