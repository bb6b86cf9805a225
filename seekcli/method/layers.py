"""Of which layer a tensor is, and which of its dimensions are what the layer gives and takes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


def owner_of(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """`blocks.0.fc.weight` -> the module `blocks.0.fc`, and `weight`."""
    path, _, local = name.rpartition(".")
    return model.get_submodule(path), local


def is_transposed(layer: nn.Module) -> bool:
    """Layers that keep their weight as [in, out]: transposed convolutions, and the Conv1D of Hugging Face's GPT-2."""
    return isinstance(layer, _ConvTransposeNd) or type(layer).__name__ == "Conv1D"


def output_dimension(layer: nn.Module, local: str, dimensions: int) -> int:
    """The dimension of what the layer gives. Embeddings, and parameters that stand alone, have their channels last."""
    if dimensions < 2:
        return 0
    if is_transposed(layer):
        return 1
    known = isinstance(layer, nn.Linear | _ConvNd | nn.MultiheadAttention) and not local.startswith("bias_")
    return 0 if known else dimensions - 1


def reads_all_inputs(layer: nn.Module, local: str) -> bool:
    """Whether each output of the layer is a sum over inputs, with this tensor as its weights."""
    known = isinstance(layer, nn.Linear | _ConvNd) or is_transposed(layer)
    return (known and local == "weight") or (isinstance(layer, nn.MultiheadAttention) and local == "in_proj_weight")


def has_kernel(layer: nn.Module, local: str) -> bool:
    return isinstance(layer, _ConvNd) and local == "weight"


def named(path: str, suffix: str) -> bool:
    """Whether `attn.proj` names `blocks.0.attn.proj`, or what lies in it."""
    return re.search(rf"(^|\.){re.escape(suffix)}(\.|$)", path) is not None


def tied_names(model: nn.Module) -> dict[str, str]:
    """Name of each parameter and buffer -> the first name that the same tensor has."""
    first: dict[int, str] = {}
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors}


def wrapper_of(model: nn.Module) -> str | None:
    """What wraps the module so that its tensors have other names; None for a module that stands alone."""
    kinds = [kind.__name__ for kind in type(model).__mro__]
    for kind in ("OptimizedModule", "DistributedDataParallel", "DataParallel", "FullyShardedDataParallel"):
        if kind in kinds:
            return kind
    return None


def listed(names: Iterable[str], most: int = 3) -> str:
    """`a, b, c and 4 more`"""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
