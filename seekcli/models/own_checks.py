"""Whether a module of somebody's own can be trained here: what is asked of every family of the catalog by its tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput
from seekcli.method.layers import tied_names, wrapper_of
from seekcli.method.pair import running_statistics
from seekcli.models.pairs import seeded_model
from seekcli.own_code.paths import line_of

IMAGES = 3


@dataclass(frozen=True)
class ModuleFacts:
    """What a run records of a module: names, shapes and types of its tensors as one digest; and whether it has
    running statistics."""

    shapes_sha256: str
    running_statistics: bool


def checked_module(
    name: str, sizes: tuple[int, int, int], shapes: tuple[tuple[int, ...], ...], gives_logits: bool = True
) -> ModuleFacts:
    """The facts of a module that is built for `sizes` (classes, channels, image size) and takes inputs of all `shapes`.

    It gives logits [B, classes]; without `gives_logits` any tensor [B, ...]. It is built twice. Raises BadInput that
    names it, and what of it cannot be trained or recorded.
    """
    said = f"model {name}"
    model, again = (seeded_model(name, 0, *sizes) for _ in range(2))
    check_parts(said, model)
    tensors = tensors_of(model)
    check_same(said, tensors, tensors_of(again))
    for shape in dict.fromkeys(shapes):
        check_outputs(said, again, sizes[0] if gives_logits else None, (IMAGES, *shape))
    if shapes_in_words(tensors) != shapes_in_words(tensors_of(again)):
        raise BadInput(f"{said}: its tensors are others after a forward pass: make all of them when it is built")
    return ModuleFacts(hashlib.sha256(shapes_in_words(tensors).encode()).hexdigest(), bool(running_statistics(model)))


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.state_dict())


def shapes_in_words(tensors: Mapping[str, Tensor]) -> str:
    """One line a tensor: its name, shape and type."""
    return "".join(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n" for name, tensor in tensors.items())


def check_parts(said: str, model: nn.Module) -> None:
    lazy = [name for name, parameter in model.named_parameters() if is_lazy(parameter)]
    lazy += [name for name, buffer in model.named_buffers() if is_lazy(buffer)]
    if lazy:
        raise BadInput(
            f"{said}: the shape of {lazy[0]} depends on the data (a lazy layer): give its layers their sizes"
        )
    if (wrapper := wrapper_of(model)) is not None:
        raise BadInput(f"{said}: gave a module that is wrapped by {wrapper}: give the module itself")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise BadInput(f"{said}: has no parameter that is trained")
    odd = [name for name, tensor in model.named_parameters() if tensor.dtype != torch.float32]
    if odd:
        raise BadInput(f"{said}: {odd[0]} is {model.get_parameter(odd[0]).dtype}: float32 parameters are needed")
    elsewhere = [name for name, tensor in model.state_dict().items() if tensor.device.type != "cpu"]
    if elsewhere:
        raise BadInput(f"{said}: {elsewhere[0]} is not on the CPU: build it there, a run moves it")
    tied = [(name, first) for name, first in tied_names(model).items() if name != first and name in model.state_dict()]
    if tied:
        raise BadInput(f"{said}: {tied[0][0]} and {tied[0][1]} are one tensor: tied weights are for a loop of your own")


def is_lazy(tensor: Tensor) -> bool:
    from torch.nn.parameter import is_lazy as is_uninitialised

    return bool(is_uninitialised(tensor))


def check_same(said: str, one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Two calls with one seed: a run is a function of its settings."""
    if shapes_in_words(one) != shapes_in_words(other):
        raise BadInput(f"{said}: gave a module of other names or shapes when it was called again")
    for name, tensor in one.items():
        if bool(torch.isnan(tensor).any()):
            raise BadInput(f"{said}: {name} has a NaN in a new module")
    odd = [name for name, tensor in one.items() if not torch.equal(tensor, other[name])]
    if odd:
        raise BadInput(
            f"{said}: {odd[0]} has other values when it is called again: draw them from torch's seeded generator"
        )


@torch.no_grad()
def check_outputs(said: str, model: nn.Module, classes: int | None, shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    noun = "images" if len(shape) == 4 else "rows"
    try:
        with torch.random.fork_rng(devices=[]):
            logits = model.eval()(images)
    except Exception as error:  # anybody's code
        raise BadInput(f"{said}: cannot take {noun} {list(shape)}: {line_of(error)}") from error
    expected = f"logits [{shape[0]}, {classes}] are needed"
    if classes is None:
        expected = f"one float tensor [{shape[0]}, ...] is needed"
    if not isinstance(logits, Tensor):
        raise BadInput(f"{said}: gave a {type(logits).__name__} of {noun} {list(shape)}: {expected}")
    fits = tuple(logits.shape) == (shape[0], classes) if classes is not None else logits.shape[:1] == (shape[0],)
    if not fits or not logits.is_floating_point():
        raise BadInput(f"{said}: gave {logits.dtype} {list(logits.shape)} of {noun} {list(shape)}: {expected}")
