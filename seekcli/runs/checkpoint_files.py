"""Checkpoints as files: which there are, and whether one is as it was written. Looked at without torch.

Each has the sha256 of its own content in its header (`checkpoint.py` writes it), so none is recorded elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from seekcli import plain_data
from seekcli.documents import refuse_newer
from seekcli.errors import BadInput
from seekcli.runs.model_files import LENGTH_BYTES, MOST_HEADER_BYTES, check_size, identity_of

CHECKPOINT_FORMAT = 1
# The key of the plain state under which a checkpoint says whose it is. Those of the first version do not.
OWNER = "run_id"
CHECKPOINT_NAME = re.compile(r"step-(\d{1,18})\.safetensors", re.ASCII)
# What torch calls the types of a safetensors file, as the digest has them.
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool", "U8": "uint8"}
TYPES |= {f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
CHUNK_BYTES = 1 << 20


def checkpoints(folder: Path) -> list[Path]:
    """Oldest first. A folder is no checkpoint, whatever its name, and neither is a file that a user called like one."""
    steps = {path: CHECKPOINT_NAME.fullmatch(path.name) for path in folder.glob("step-*.safetensors")}
    named = {path: int(name[1]) for path, name in steps.items() if name and path.is_file()}
    return sorted(named, key=lambda path: named[path])


def check_checkpoint(path: Path, run_id: str) -> None:
    """Raise BadInput for a file that is cut, whose content is not that of its own sha256, or that is of another run."""
    check_size(path)
    if reason := _problem(path, run_id, *identity_of(path)):
        raise BadInput(f"{path} {reason}; remove that file: a finished run needs it for --extend alone")


@lru_cache(maxsize=100_000)
def _problem(path: Path, run_id: str, inode: int, size: int, modified_ns: int) -> str | None:
    """One command looks at a run more than once; a file that has changed in between is read again."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = plain_data.parse_json(file.read(min(length, MOST_HEADER_BYTES)))
            state = plain_data.parse_json(header.pop("__metadata__")["state"].encode(), finite_only=False)
            refuse_newer(path, state["version"], CHECKPOINT_FORMAT, "checkpoint version")
            if state["version"] != CHECKPOINT_FORMAT:
                raise ValueError(f"version {state['version']}")
            found = _sha256(file, LENGTH_BYTES + length, header, state["plain"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BadInput):
            raise
        return f"is damaged: its header cannot be read ({error})"
    if found != state["sha256"]:
        return "is damaged: its content does not match its sha256"
    owner = state["plain"].get(OWNER, run_id)
    return None if owner == run_id else f"belongs to another run, {owner}"


def _sha256(file: IO[bytes], start: int, header: dict[str, Any], plain: dict[str, Any]) -> str:
    """What `checkpoint.checkpoint_sha256` gives for the tensors of the file, whose bytes begin at `start`.

    Raises KeyError for a type that this program does not write, ValueError for bytes that belong to no tensor.
    """
    sha, covered = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()), 0
    for name in sorted(header):
        tensor = header[name]
        begin, end = tensor["data_offsets"]
        sha.update(f"{name}|torch.{TYPES[tensor['dtype']]}|{tuple(tensor['shape'])}".encode())
        file.seek(start + begin)
        covered += end - begin
        for at in range(begin, end, CHUNK_BYTES):
            sha.update(file.read(min(CHUNK_BYTES, end - at)))
    if covered != max((tensor["data_offsets"][1] for tensor in header.values()), default=0):
        raise ValueError("its tensors overlap or leave bytes out")
    return sha.hexdigest()
