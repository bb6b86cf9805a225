"""A start at which any motivated model gives what its base gives, and the measurement whether it does."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seekcli.method.layers import listed, named, output_dimension, owner_of, reads_all_inputs
from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import Link, tensors_of, view

# Rounding alone: float32 on the host gave 7e-7. On CUDA convolutions may multiply in TF32.
TOLERANCE, TOLERANCE_ON_CUDA, TOLERANCE_IN_HALF = 1e-4, 5e-3, 5e-2
NOISE = 0.02
NORMS = (nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True)
class IdentityStart:
    """How a motivated model is made to give what its base gives (see `nested.nested_pair`)."""

    pair: Pair
    blocks: tuple[str, ...]
    silence: tuple[str, ...]
    stream: tuple[str, ...]

    def made(self) -> Pair:
        """The pair, its motivated model changed in place. Raises ValueError where no identity is possible."""
        weights_map = self.pair.weights_map
        if not weights_map.full:
            left = [name for name, count in weights_map.linked_elements.items() if count < size_of(self.pair, name)]
            raise ValueError(
                f"the map covers {weights_map.coverage:.1%} of the base, and an identity start needs all of it: "
                f"{listed(left)} is not covered; identity=False starts without one"
            )
        self.require_stream()
        with torch.no_grad():
            self.silence_added_blocks()
            self.silence_readers()
        repeats = self.repeats()
        pair = replace(self.pair, silenced=self.silenced())
        if not repeats:
            return pair

        def repeat_stream(motivated: nn.Module) -> None:
            tensors = tensors_of(motivated)
            for name, dimension, width in repeats:
                repeat(tensors[name], dimension, width)

        return replace(pair, after_copy_up=repeat_stream)

    def silenced(self) -> tuple[str, ...]:
        """The parameters that are zero so that added blocks write nothing."""
        return tuple(
            f"{path}.{name}"
            for path, block in self.added_blocks().items()
            for name, _ in block.named_parameters()
            if any(is_of(path, name, suffix) for suffix in self.silence)
        )

    def added_blocks(self) -> dict[str, nn.Module]:
        """Blocks of the motivated model, by path, that hold nothing of the base."""
        numbered = re.compile("|".join(rf"{re.escape(prefix)}[._]\d+" for prefix in self.blocks) or r"$^")
        linked = self.pair.weights_map.receivers
        return {
            path: module
            for path, module in self.pair.motivated.named_modules()
            if path and numbered.fullmatch(path) and not any(name.startswith(f"{path}.") for name in linked)
        }

    def silence_added_blocks(self) -> None:
        added = self.added_blocks()
        if added and not self.silence:
            raise ValueError(
                f"{listed(added)} have nothing of the base: name the layers by which a block writes in silence, such "
                "as ('attn.proj', 'mlp.fc2') or ('bn2',), or identity=False"
            )
        if self.silence and not added:
            raise ValueError("silence: no block of the motivated model is added; name the numbered blocks in blocks")
        used = set()
        for path, block in added.items():
            found = {
                suffix: [tensor for name, tensor in block.named_parameters() if is_of(path, name, suffix)]
                for suffix in self.silence
            }
            used |= {suffix for suffix, tensors in found.items() if tensors}
            if not any(found.values()):
                nowhere = " and no ".join(map(repr, self.silence))
                raise ValueError(f"silence: {path} has no {nowhere}; it has {listed(layers_in(block), 8)}")
            for tensors in found.values():
                for tensor in tensors:
                    tensor.zero_()
        for suffix in self.silence:
            if suffix not in used:
                path, block = next(iter(added.items()))
                raise ValueError(f"silence: {path} has no {suffix!r}; it has {listed(layers_in(block), 8)}")

    def silence_readers(self) -> None:
        """Weights of mapped outputs that read what only the motivated model has become zero."""
        by_tensor: dict[str, list[Link]] = {}
        for link in self.pair.weights_map.links:
            by_tensor.setdefault(link.motivated, []).append(link)
        tensors = tensors_of(self.pair.motivated)
        for name, links in by_tensor.items():
            layer, local = owner_of(self.pair.motivated, name)
            if reads_all_inputs(layer, local):
                weight = tensors[name]
                mapped = torch.zeros_like(weight, dtype=torch.bool)
                for link in links:
                    view(mapped, link.motivated_region).fill_(True)
                outputs = output_dimension(layer, local, weight.dim())
                others = [dimension for dimension in range(weight.dim()) if dimension != outputs]
                weight.masked_fill_(mapped.any(dim=others, keepdim=True) & ~mapped, 0)

    def require_stream(self) -> None:
        for link in self.pair.weights_map.links:
            layer, local = owner_of(self.pair.motivated, link.motivated)
            width = self.pair.weights_map.base_shapes[link.base]
            wide = self.pair.weights_map.motivated_shapes[link.motivated]
            is_norm = isinstance(layer, NORMS) or "RMSNorm" in type(layer).__name__
            if is_norm and local == "weight" and width != wide and not self.stream:
                raise ValueError(
                    f"{link.motivated} normalises over {wide[-1]} channels, and over {width[-1]} in the base: name "
                    "all that writes the residual stream in stream, such as ('tok_emb', 'pos_emb', 'attn.proj', "
                    "'mlp.fc2'), or identity=False"
                )

    def repeats(self) -> list[tuple[str, int, int]]:
        """(motivated tensor, dimension, width of the base's part) of all that writes the residual stream."""
        found = []
        for link in self.pair.weights_map.links:
            if not any(named(link.motivated, suffix) for suffix in self.stream):
                continue
            layer, local = owner_of(self.pair.motivated, link.motivated)
            dimension = output_dimension(layer, local, len(link.motivated_region))
            start, width = link.motivated_region[dimension]
            wide = self.pair.weights_map.motivated_shapes[link.motivated][dimension]
            if start or wide % width:
                raise ValueError(
                    f"stream: {link.motivated} has {wide} channels, no multiple of the base's {width}; identity=False"
                )
            if wide > width:
                found.append((link.motivated, dimension, width))
        return found


def is_of(block: str, name: str, said: str) -> bool:
    """Whether a tensor of a block is of the layer that is said: by the end of its path, or by the whole of it."""
    return named(name, said) or f"{block}.{name}.".startswith(f"{said}.")


def layers_in(block: nn.Module) -> list[str]:
    return [
        path
        for path, module in block.named_modules()
        if path and next(module.parameters(recurse=False), None) is not None
    ]


def size_of(pair: Pair, name: str) -> int:
    return tensors_of(pair.base)[name].numel()


@torch.no_grad()
def repeat(tensor: Tensor, dimension: int, width: int) -> None:
    """Write the first `width` channels again into all the others."""
    first = tensor.narrow(dimension, 0, width)
    for start in range(width, tensor.shape[dimension], width):
        tensor.narrow(dimension, start, width).copy_(first)


@torch.no_grad()
def identity_error(pair: Pair, sample: Any) -> float:
    """How far the motivated model is from the base when it is first entered, on what `sample` says.

    The Euclidean norm of the difference of their outputs over that of the base's, in evaluation mode. Of several
    outputs it is the logits where they are named, else the first tensor. Copies are looked at: the pair stays as it is.
    The base's copy is moved a little, so that a layer which starts at zero hides nothing.
    """
    base, motivated = moved_copies(pair)
    expected, found = (output_of(model.eval(), sample).detach() for model in (base, motivated))
    if expected.shape != found.shape:
        raise ValueError(
            f"the base gives {tuple(expected.shape)} on the sample, the motivated model {tuple(found.shape)}"
        )
    return float((found - expected).norm() / expected.norm())


@torch.no_grad()
def moved_copies(pair: Pair) -> tuple[nn.Module, nn.Module]:
    """The base, moved a little, and the motivated model as it is first entered from it."""
    base, motivated = copy.deepcopy((pair.base, pair.motivated))
    generator = torch.Generator().manual_seed(0)
    for parameter in base.parameters():
        if parameter.is_floating_point():
            noise = NOISE * torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter.device, parameter.dtype))
    StateTransfer(Pair(base, motivated, pair.weights_map, pair.after_copy_up), {}, {}).refresh(fresh=True)
    return base, motivated


def require_learning(pair: Pair, sample: Any) -> None:
    """Raise ValueError where no gradient reaches a layer that was silenced: its block would stay as it is for ever.

    So it is with bn1 in `conv2(relu(bn1(conv1(x))))`: a ReLU passes no gradient back at zero.
    """
    if not pair.silenced:
        return
    _, motivated = moved_copies(pair)
    with torch.enable_grad():
        output = output_of(motivated.eval(), sample)
        weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).to(output.device)
        parameters = [motivated.get_parameter(name) for name in pair.silenced]
        trained = [one for one in parameters if one.requires_grad]
        if not trained or not output.requires_grad:
            return
        found = torch.autograd.grad((output * weights).sum(), trained, allow_unused=True)
    alive = {id(one) for one, gradient in zip(trained, found, strict=True) if gradient is not None and gradient.any()}
    layers: dict[str, bool] = {}
    for name, parameter in zip(pair.silenced, parameters, strict=True):
        layer = name.rpartition(".")[0]
        layers[layer] = layers.get(layer, False) or id(parameter) in alive or not parameter.requires_grad
    if dead := [layer for layer, learns in layers.items() if not learns]:
        raise ValueError(
            f"silence: no gradient reaches {listed(dead)} once it is zero, so that its block could never learn: name "
            "the last layer by which the block writes"
        )


def require_identity(pair: Pair, error: float, tolerance: float | None = None) -> None:
    """Raise ValueError, with the error in it, for a start that is no identity."""
    allowed = tolerance_for(pair) if tolerance is None else tolerance
    if error <= allowed:
        return
    raise ValueError(
        f"the start is no identity: the outputs of the two models differ by {error:.2g} of the base's (relative; at "
        f"most {allowed:g} is rounding). Look at silence (all by which an added block writes), stream (all that "
        "writes the residual stream), fused (stacked projections) and tied weights; identity=False starts without one"
    )


def tolerance_for(pair: Pair) -> float:
    first = next(pair.base.parameters())
    if first.dtype in (torch.bfloat16, torch.float16):
        return TOLERANCE_IN_HALF
    return TOLERANCE_ON_CUDA if first.is_cuda else TOLERANCE


def output_of(model: nn.Module, sample: Any) -> Tensor:
    """The output of the model on a tensor, a tuple of arguments or a dict of them; in float32."""
    if isinstance(sample, Mapping):
        output = model(**sample)
    else:
        output = model(*sample) if isinstance(sample, tuple | list) else model(sample)
    found = first_tensor(output)
    if found is None:
        raise ValueError(f"the model gives a {type(output).__name__} without a tensor: the start cannot be verified")
    return found.float()


def first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    values = list(output.values()) if isinstance(output, Mapping) else output
    if isinstance(output, Mapping) and isinstance(output.get("logits"), Tensor):
        return output["logits"]
    if not isinstance(values, list | tuple):
        return None
    return next((found for value in values if (found := first_tensor(value)) is not None), None)
