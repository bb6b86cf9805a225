"""Decoded images on disk, so that the second run starts at once. Losing the cache costs time and nothing else."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli import files
from seekcli.errors import RunFailed

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUM = "crc32"


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/seekcli, or ~/.cache/seekcli."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is invalid and ignored.
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "seekcli"


def cached(key: str, build: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors kept under `key`, or those that `build` makes, kept for the next time.

    A damaged cache file is built again and replaced. A cache that cannot be written gives a warning.
    """
    path = cache_folder() / "decoded" / f"{key}.safetensors"
    tensors = read_cache(path)
    if tensors is None:
        tensors = build()
        write(path, tensors)
    return tensors


def read_cache(path: Path) -> dict[str, Tensor] | None:
    """The tensors in a cache file, or None when it is missing or not exactly what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            stored = (file.metadata() or {}).get(CHECKSUM)
    except (OSError, SafetensorError):
        return None
    return tensors if stored == checksum(tensors) else None


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    try:
        files.write_with(path, lambda temporary: save_file(tensors, temporary, {CHECKSUM: checksum(tensors)}))
    except RunFailed as error:
        warnings.warn(f"{error}; the images will be decoded again next time", stacklevel=2)


def checksum(tensors: dict[str, Tensor]) -> str:
    """crc32 of all contents: safetensors checks its header, not what comes after it."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].contiguous().numpy().reshape(-1).data, zlib.crc32(name.encode(), value))
    return f"{value:08x}"
