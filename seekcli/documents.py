"""JSON documents that carry a digest of themselves: a flipped bit is a damaged file, never another number.

The digest is the sha256 of the content as JSON with sorted keys and no spaces, so it outlives another indentation.
Documents of earlier versions have none and are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from seekcli import files, plain_data
from seekcli.errors import BadInput, NewerFile

# The version of the files of a run: a file of a newer one is refused by name.
SCHEMA_VERSION = 1
DIGEST = "sha256"
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


def write_document(path: Path, content: Mapping[str, Any], check: files.Check = files.unshared) -> None:
    """`files.write_json` of `content` (plain JSON data) with its digest as the last key."""
    files.write_json(path, {**content, DIGEST: digest_of(content)}, check)


def read_document(path: Path, since: str | None = None) -> Any:
    """What `write_document` was given, or any other JSON value that has no digest.

    Raises BadInput, naming the file, when it is missing, unreadable, not JSON, or not what its digest says. `since` is
    a key that documents of this kind have had since they carry a digest: one with content under it has lost its digest.
    """
    return parse_document(path, read_file(path), since)


def read_file(path: Path) -> bytes:
    """Raises BadInput, naming the file, when it is missing or cannot be read."""
    plain_data.refuse_special(path)
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {files.system_reason(error)}") from error


def parse_document(path: Path, data: bytes, since: str | None = None) -> Any:
    """As `read_document`, of a file that was read."""
    try:
        content = plain_data.parse_json(data, finite_only=False)
    except ValueError as error:
        raise BadInput(f"{path} is damaged (not JSON: {error})") from error
    if not isinstance(content, dict):
        return content
    stored = content.pop(DIGEST, None)
    if stored is None:
        lost = [key for key, value in content.items() if (key == since and value) or is_digest(value)]
        if lost:
            raise BadInput(f"{path} is damaged (it has {lost[0]!r} and no {DIGEST})")
    elif stored != digest_of(content):
        raise BadInput(f"{path} is damaged: its content does not match its {DIGEST}")
    return content


def refuse_newer(path: Path, version: object, known: int = SCHEMA_VERSION, kind: str = "schema") -> None:
    """Raise NewerFile for a file whose `version` is above the one that this program knows."""
    if isinstance(version, int) and version > known:
        raise NewerFile(f"{path} was written by a newer seek ({kind} {version}, this one knows {known})")


class Problem(NamedTuple):
    """One thing that a schema has against values: the dotted key (empty: the whole), what is wrong, and the value."""

    key: str
    what: str
    value: object


def first_of(error: ValidationError) -> Problem:
    """The first problem, in words without the library's own preface."""
    first = error.errors()[0]
    return Problem(".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, "), first["input"])


def first_problem(error: ValidationError) -> str:
    """`input.mean: Field required`: the first key that is wrong, and what is wrong with it."""
    key, what, _ = first_of(error)
    return f"{key or 'its form'}: {what}"


def digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(digested_text(content).encode()).hexdigest()


# One text for equal content.
digested_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def is_digest(value: object) -> bool:
    """No document holds the digest of anything else at its top level."""
    return isinstance(value, str) and HEX_DIGEST.fullmatch(value) is not None
