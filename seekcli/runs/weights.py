"""Model files, read: safetensors alone, every number finite, and the digest that was recorded where there is one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from seekcli.errors import BadInput


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Tensors by name, on the CPU. Raises BadInput, naming the file, unless it is whole and has the given sha256."""
    data = read_bytes(path)
    if sha256 is not None and sha256_of_bytes(data) != sha256:
        raise BadInput(f"{path} is damaged, or is not the file that was recorded: its sha256 differs")
    return parse_weights(path, data)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None


def parse_weights(path: Path, data: bytes) -> dict[str, Tensor]:
    """The content of a safetensors file, every number of it finite; `path` is for the message."""
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInput(f"{path} is damaged: {error}") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BadInput(f"{path} cannot be used: {name} holds NaN or infinity, so that its model has no answers")
    return tensors


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
