"""What `auto` means on which device: a fixed table, never a timing, so that a config resolves alike everywhere."""

from __future__ import annotations

import re

from seekcli.config.layers import Resolved
from seekcli.errors import BadInput, shown_value

DEVICE_TYPES = ("cpu", "cuda", "mps")


def resolve_runtime(resolved: Resolved, channels_last: bool) -> Resolved:
    """Replace `auto` device, precision and layout by what the table says.

    fp32 on every device: bf16 and fp16 are asked for by name. `channels_last` says which layout the family runs in.
    Raises BadInput for a device that this machine has not.
    """
    import torch

    runtime = resolved.config.runtime
    values: dict[str, str] = {}
    if runtime.device == "auto":
        values["runtime.device"] = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(values.get("runtime.device", runtime.device))
    if runtime.precision == "auto":
        values["runtime.precision"] = "fp32"
    if runtime.layout == "auto":
        values["runtime.layout"] = "channels_last" if channels_last else "contiguous"
    return resolved.updated(values, "auto") if values else resolved


def check_device_word(name: str) -> None:
    """Raise BadInput for what names no device anywhere. Needs no torch."""
    kind, _, index = name.partition(":")
    known = kind in DEVICE_TYPES and re.fullmatch("[0-9]{0,4}", index) and (not index or kind == "cuda")
    if name != "auto" and not known:
        raise BadInput(f"--device {shown_value(name)}: expected auto, cpu, cuda, cuda:0 or mps")


def check_device(name: str) -> None:
    """Raise BadInput for a device that this machine does not have."""
    import torch

    check_device_word(name)
    kind, _, index = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device {name}: torch {torch.__version__} finds no CUDA device here; use --device cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise BadInput(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BadInput("--device mps: not available here; use --device cpu")
