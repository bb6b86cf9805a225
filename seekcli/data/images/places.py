"""Where the bytes of an image are: in a file of its own, or inside another file (a shard, a table)."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import NamedTuple, Protocol


class Held(Protocol):
    """An image file that lies inside another file, `container`. As text it names both, for messages."""

    @property
    def container(self) -> str: ...

    def read(self) -> bytes:
        """Raises OSError where the container does not hold it any more."""


Place = str | Held  # a path, or what lies in another file


class TarMember(NamedTuple):
    """A file in a tar archive that is not compressed: its bytes are those of the archive from `start` on."""

    container: str
    name: str
    start: int
    size_bytes: int

    def read(self) -> bytes:
        with open(self.container, "rb", buffering=0) as file:
            file.seek(self.start)
            data = file.read(self.size_bytes)
        if len(data) < self.size_bytes:
            raise OSError("the shard is cut short: it changed since it was listed")
        return data

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"


class Changed(Exception):
    """The bytes are others than those that were listed."""


def bytes_of(place: Place, digest: str | None = None) -> bytes:
    """The bytes of the image's file. Raises Changed unless they have this sha256, where one is given."""
    data = Path(place).read_bytes() if isinstance(place, str) else place.read()
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise Changed
    return data


def openable(place: Place, digest: str | None = None) -> str | io.BytesIO:
    """What Pillow opens: the path of a file, else its bytes. Raises as `bytes_of`."""
    return place if isinstance(place, str) and digest is None else io.BytesIO(bytes_of(place, digest))
