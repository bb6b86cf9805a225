"""Checkpoints: one safetensors file each, checked by its own sha256, the newest two kept.

The file holds every tensor contiguous, and one metadata key with the plain state and the digest of the tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seekcli import files
from seekcli.documents import refuse_newer
from seekcli.errors import BadInput, DamagedRun
from seekcli.plain_data import parse_json
from seekcli.runs.checkpoint_files import CHECKPOINT_FORMAT, OWNER, checkpoints as checkpoints

KEPT = 2
Load = Callable[[Mapping[str, Tensor], Mapping[str, Any]], None]


def save_checkpoint(
    folder: Path,
    steps_done: int,
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
    run_id: str,
    check: files.Check = files.unshared,
) -> Path:
    """Write `step-<steps>.safetensors`, drop all but the newest two. Raises RunFailed on a full disk."""
    on_host = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    owned = {**plain, OWNER: run_id}
    state = {"version": CHECKPOINT_FORMAT, "sha256": checkpoint_sha256(on_host, owned), "plain": owned}
    path = folder / f"step-{steps_done:09d}.safetensors"
    files.write_bytes(path, save(on_host, metadata={"state": json.dumps(state, sort_keys=True)}), check)
    keep_newest(folder, KEPT, check)
    return path


def keep_newest(folder: Path, count: int, check: files.Check = files.unshared) -> None:
    """Remove the older checkpoints. A run that is done keeps one, which `--extend` goes on from."""
    for old in checkpoints(folder)[:-count]:
        files.remove(old, check)


def read_checkpoint(path: Path, run_id: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain state. Raises BadInput for a damaged file, one of a newer program, or one of another run."""
    try:
        with safe_open(path, framework="pt") as handle:
            state = parse_json((handle.metadata() or {})["state"].encode(), finite_only=False)
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadInput(f"{path} is damaged: {error}") from None
    version, plain = (state.get("version"), state.get("plain")) if isinstance(state, dict) else (None, None)
    refuse_newer(path, version, CHECKPOINT_FORMAT, "checkpoint version")
    if not isinstance(plain, dict) or state.get("sha256") != checkpoint_sha256(tensors, plain):
        raise BadInput(f"{path} is damaged: its content does not match its sha256")
    if (owner := plain.pop(OWNER, run_id)) != run_id:
        raise BadInput(f"{path} belongs to another run, {owner}")
    return tensors, plain


def checkpoint_sha256(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> str:
    """sha256 over names, shapes, types, bytes and the plain state; `checkpoint_files` computes it of a file alone."""
    sha = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def resume_from(
    folder: Path, run_id: str, load: Load, warn: Callable[[str], None], check: files.Check = files.unshared
) -> bool:
    """Load the newest good checkpoint; others are set aside with a warning. False when there never was one.

    Raises DamagedRun naming the newest file when all of them are damaged or of another run, or when one cannot be read:
    nothing is overwritten then.
    """
    unfit: dict[Path, BadInput] = {}
    for path in reversed(checkpoints(folder)):
        require_readable(path)
        try:
            load_one(path, run_id, load)
        except BadInput as error:
            unfit[path] = error
            continue
        for bad, problem in unfit.items():
            kind = "is damaged" if "is damaged" in str(problem) else "is of another run"
            aside = files.quarantine(bad, check)
            warn(f"{bad.name} {kind} and was set aside as {aside.name}; going on from {path.name}")
        return True
    if unfit:
        check()  # one that an heir has removed meanwhile is not damaged
        problem = next(iter(unfit.values()))
        raise DamagedRun(f"{problem}; no good checkpoint is left: use --fresh to set this run aside and start again")
    return False


def load_one(path: Path, run_id: str, load: Load) -> None:
    """Raises BadInput, naming the file, for a checkpoint that is damaged or not one of this run."""
    try:
        load(*read_checkpoint(path, run_id))
    except BadInput:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is not a checkpoint of this run: {error}") from None


def require_readable(path: Path) -> None:
    """Raise BadInput for a file that is not ours to read: that is no damage, and is not set aside."""
    if path.is_file() and not os.access(path, os.R_OK):
        raise BadInput(f"cannot read {path}: Permission denied")
