"""Whether the model files of a finished run are those that it wrote: by size at once, by digest where asked.

Runs of earlier versions recorded no digest: their files cannot be verified, which is not to say that they are damaged.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from seekcli import files, plain_data
from seekcli.errors import BadInput
from seekcli.runs.records import RunStatus

AFRESH = "the `seek train` command of this run with --fresh sets it aside and makes it anew"
# A safetensors file: the length of its header, the header (JSON that says where each tensor ends), the tensors.
LENGTH_BYTES, MOST_HEADER_BYTES = 8, 100_000_000
TENSOR_END = re.compile(rb'"data_offsets":\s*\[\s*\d+\s*,\s*(\d+)\s*\]')


def weights_path(run_dir: Path, role: str) -> Path:
    return run_dir / f"{role}.safetensors"


def check_model_files(run_dir: Path, status: RunStatus, whole: bool) -> None:
    """Raise BadInput, naming the file, for one that is missing, cut, or (`whole`) not what its recorded digest says."""
    for role in status.models:
        path = weights_path(run_dir, role)
        try:
            check_size(path)
        except FileNotFoundError:
            raise BadInput(f"{path} is missing") from None
        except IsADirectoryError:
            raise BadInput(f"{path} is a folder") from None
        if whole:
            check_digest(path, status.weights_sha256.get(role))


def check_size(path: Path) -> None:
    """Raise BadInput unless the file is as long as its own header says."""
    found, expected = sizes(path)
    if not found:
        raise BadInput(f"{path} is empty")
    if expected != found:
        what = "its header cannot be read" if expected is None else f"{found:,} bytes, and its header says {expected:,}"
        raise BadInput(f"{path} is damaged: {what}")


def check_digest(path: Path, sha256: str | None) -> None:
    if sha256 is not None and sha256_once(path, *identity_of(path)) != sha256:
        raise BadInput(f"{path} is damaged, or is not the file that was recorded: its sha256 differs")


def unverifiable_note(status: RunStatus) -> str | None:
    """Of a finished run that an earlier version wrote, which recorded no digests of model files."""
    lacking = [f"{role}.safetensors" for role in status.models if role not in status.weights_sha256]
    return f"{' and '.join(lacking)} cannot be verified: no digest was recorded" if lacking else None


def sizes(path: Path) -> tuple[int, int | None]:
    """Of a file, in bytes: its own, and the one that its header says; None for a header that cannot be read."""
    plain_data.refuse_special(path)
    with open(path, "rb", buffering=0) as file:
        found = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        header = file.read(length) if length <= MOST_HEADER_BYTES else b""
    ends = [int(end) for end in TENSOR_END.findall(header)]
    return found, LENGTH_BYTES + length + max(ends) if ends and len(header) == length else None


def identity_of(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=100_000)
def sha256_once(path: Path, inode: int, size: int, modified_ns: int) -> str:
    """One command looks at a run more than once; a file that has changed in between is read again."""
    return files.sha256_of(path)
