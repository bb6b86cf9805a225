"""What `auto` means on which device: a fixed table, never a timing, so that a config resolves alike everywhere."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from seekcli.config.layers import Resolved
from seekcli.errors import BadInput, shown_value

DEVICE_TYPES = ("cpu", "cuda", "mps")
_trains_elsewhere: ContextVar[bool] = ContextVar("whether what is resolved trains on another machine", default=False)


@contextmanager
def training_elsewhere() -> Iterator[None]:
    """Inside, a device need not be here: a login node plans, and looks at, what trains on others."""
    token = _trains_elsewhere.set(True)
    try:
        yield
    finally:
        _trains_elsewhere.reset(token)


def resolve_runtime(resolved: Resolved, channels_last: bool) -> Resolved:
    """Replace `auto` device, precision and layout by what the table says.

    fp32 on every device: bf16 and fp16 are asked for by name. `channels_last` says which layout the family runs in.
    Raises BadInput for a device that this machine has not.
    """
    runtime = resolved.config.runtime
    values: dict[str, str] = {}
    if runtime.device == "auto":
        values["runtime.device"] = "cuda" if has_cuda() else "cpu"
    check_device(values.get("runtime.device", runtime.device))
    if runtime.precision == "auto":
        values["runtime.precision"] = "fp32"
    if runtime.layout == "auto":
        values["runtime.layout"] = "channels_last" if channels_last else "contiguous"
    return resolved.updated(values, "auto") if values else resolved


def has_cuda() -> bool:
    """Torch takes seconds to import: where the machine has no driver of a GPU, it would find no GPU."""
    if "torch" not in sys.modules and has_no_driver():
        return False
    import torch

    return torch.cuda.is_available()


@cache
def has_no_driver() -> bool:
    """Whether no CUDA device can be here: no NVIDIA driver is installed, and none of AMD. False where that is open."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


def check_device_word(name: str) -> None:
    """Raise BadInput for what names no device anywhere. Needs no torch."""
    kind, _, index = name.partition(":")
    known = kind in DEVICE_TYPES and re.fullmatch("[0-9]{0,4}", index) and (not index or kind == "cuda")
    if name != "auto" and not known:
        raise BadInput(f"--device {shown_value(name)}: expected auto, cpu, cuda, cuda:0 or mps")


def check_device(name: str) -> None:
    """Raise BadInput for a device that this machine does not have."""
    check_device_word(name)
    kind, _, index = name.partition(":")
    if kind == "cpu" or _trains_elsewhere.get():
        return
    # What the system alone can tell needs no torch, which takes seconds to import.
    if kind == "mps" and sys.platform != "darwin":
        raise BadInput("--device mps: not available here (it is of macOS); use --device cpu")
    if kind == "cuda" and "torch" not in sys.modules and has_no_driver():
        raise BadInput(f"--device {name}: there is no CUDA device here (no driver is installed); use --device cpu")
    import torch

    if kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device {name}: torch {torch.__version__} finds no CUDA device here; use --device cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise BadInput(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BadInput("--device mps: not available here; use --device cpu")
