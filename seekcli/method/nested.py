"""A pair of any two modules, linked by their names and shapes, with a start that is verified to be an identity."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from seekcli.method.identity import IdentityStart, identity_error, require_identity, require_learning
from seekcli.method.layers import has_kernel, listed, named, output_dimension, owner_of, tied_names, wrapper_of
from seekcli.method.pair import Pair
from seekcli.method.weights_map import (
    Link,
    Region,
    RegionRule,
    Shape,
    WeightsMap,
    block_of,
    block_renames,
    overlap,
    shapes_of,
    shifted,
    tensors_of,
)

Rename = Mapping[str, str] | Callable[[str], str]


def nested_pair(
    base: nn.Module,
    motivated: nn.Module,
    *,
    blocks: Sequence[str] = (),
    alignment: str = "last-to-last",
    fused: Mapping[str, int] | None = None,
    rename: Rename | None = None,
    regions: RegionRule | None = None,
    links: Iterable[Link] = (),
    identity: bool = True,
    silence: Sequence[str] = (),
    stream: Sequence[str] = (),
    sample: Any = None,
    tolerance: float | None = None,
) -> Pair:
    """The base inside the motivated model: tensors of one name are linked, by leading slices where shapes differ.

    `blocks` are the prefixes, in the motivated model, under which blocks are numbered ("blocks" of `blocks.0.fc`);
    `alignment` says which of them the base's become (`align_blocks`). `fused` names layers that stack projections, and
    how many: {"attn.qkv": 3}. `rename` gives a base name its motivated one: names or their beginnings, or a function.
    `regions` replaces the rule for slices; `links` are set by hand, and replace what the rules say of these base
    tensors. Names of layers are the ends of their paths: `mlp.fc2` is that of every block.

    With `identity` the motivated model is changed so that it gives what the base gives: `silence` names the layers (or
    parameters) by which an added block writes, which become zero, and weights of mapped outputs that read what only the
    motivated model has become zero too. Where LayerNorm or RMSNorm run over a wider vector, `stream` names all that
    writes the residual stream (embeddings included): the base's channels are then repeated. The start is verified on
    `sample`: a tensor, a tuple of arguments or a dict of them. Without one the pair is `unverified`, and
    `seekcli.Alternating` verifies it on the first batch.

    Raises ValueError, naming the tensor or the name, for what does not fit, and for a start that is no identity.
    """
    for model, role in ((base, "base"), (motivated, "motivated model")):
        require_plain(model, role)
    if base is motivated:
        raise ValueError("the base and the motivated model are one module: a pair needs two")
    names = ((fused or {}, "fused"), (stream, "stream"))
    for given, option in names:
        for suffix in given:
            require_name(suffix, tensors_of(motivated), option)
    weights_map = nested_map(base, motivated, blocks, alignment, fused or {}, rename, regions, list(links))
    pair = Pair(base, motivated, weights_map)
    require_one_kind(pair)
    if not identity:
        if silence or stream:
            raise ValueError("silence and stream are of an identity start: leave them out, or identity=False")
        return pair
    start = IdentityStart(pair, tuple(blocks), tuple(silence), tuple(stream))
    pair = start.made()
    if sample is None:
        return replace(pair, unverified=True)
    error = identity_error(pair, sample)
    require_identity(pair, error, tolerance)
    require_learning(pair, sample)
    return replace(pair, identity_error=error)


def nested_map(
    base: nn.Module,
    motivated: nn.Module,
    blocks: Sequence[str],
    alignment: str,
    fused: Mapping[str, int],
    rename: Rename | None,
    regions: RegionRule | None,
    by_hand: Sequence[Link],
) -> WeightsMap:
    """The map by names and shapes. A tensor that has several names (tied weights) is in it once, by its first."""
    base_shapes, motivated_shapes = shapes_of(base), shapes_of(motivated)
    target_of = names_of_targets(list(base_shapes), list(motivated_shapes), blocks, alignment, rename)
    ties, motivated_ties = tied_names(base), tied_names(motivated)
    targets = {name: target for name in base_shapes if (target := target_of(name)) in motivated_shapes}
    require_equal_ties(targets, ties, motivated_ties)
    rule = regions or region_rule(base, fused)
    hand = {link.base for link in by_hand}
    found = [
        Link(name, target, *region)
        for name, target in targets.items()
        if name not in hand and ties.get(name, name) == name
        for region in rule(name, base_shapes[name], motivated_shapes[target])
    ]
    links = [replace(link, motivated=motivated_ties.get(link.motivated, link.motivated)) for link in found]
    if not links and not by_hand:
        shown = f"{listed(base_shapes)} / {listed(motivated_shapes)}"
        raise ValueError(f"the two modules share no tensor that could be linked ({shown}): name rename or links")
    return WeightsMap((*links, *by_hand), first_names(base_shapes, ties), first_names(motivated_shapes, motivated_ties))


def first_names(shapes: Mapping[str, Shape], ties: Mapping[str, str]) -> dict[str, Shape]:
    return {name: shape for name, shape in shapes.items() if ties.get(name, name) == name}


def names_of_targets(
    base_names: Sequence[str],
    motivated_names: Sequence[str],
    blocks: Sequence[str],
    alignment: str,
    rename: Rename | None,
) -> Callable[[str], str]:
    """Base tensor name -> motivated tensor name: renamed first, then its block moved."""
    renamed = renaming(rename, base_names)
    for prefix in blocks:
        for names, role in ((map(renamed, base_names), "base"), (motivated_names, "motivated model")):
            if not any(block_of(name, prefix) for name in names):
                raise ValueError(f"blocks: the {role} has no numbered blocks under {prefix!r}, such as {prefix}.0.")
    moved = block_renames([renamed(name) for name in base_names], motivated_names, blocks, alignment)
    return lambda name: moved(renamed(name))


def renaming(rename: Rename | None, base_names: Sequence[str]) -> Callable[[str], str]:
    if rename is None:
        return lambda name: name
    if callable(rename):
        return rename
    for given in rename:
        if not any(is_part(given, name) for name in base_names):
            raise ValueError(f"rename: the base has no {given!r}{did_you_mean(given, base_names)}")
    longest_first = sorted(rename.items(), key=lambda item: -len(item[0]))

    def renamed(name: str) -> str:
        return next((new + name[len(old) :] for old, new in longest_first if is_part(old, name)), name)

    return renamed


def is_part(path: str, name: str) -> bool:
    return f"{name}.".startswith(f"{path}.")


def region_rule(base: nn.Module, fused: Mapping[str, int]) -> RegionRule:
    """Leading slices, centred ones along the kernels of convolutions; each part of a `fused` layer is sliced alone."""

    def rule(name: str, small: Shape, large: Shape) -> list[tuple[Region, Region]]:
        layer, local = owner_of(base, name)
        centred = has_kernel(layer, local)
        parts = next((count for suffix, count in fused.items() if named(name, suffix)), 1)
        dimension = output_dimension(layer, local, len(small))
        if len(small) != len(large):
            return []
        if parts > 1 and (not small or small[dimension] % parts or large[dimension] % parts):
            raise ValueError(f"fused: {name} of shapes {small} and {large} is no stack of {parts} projections")
        first = [
            (size // parts, other // parts) if d == dimension else (size, other)
            for d, (size, other) in enumerate(zip(small, large, strict=True))
        ]
        pairs = [overlap(*sizes, centred=centred and d >= 2) for d, sizes in enumerate(first)]
        region, target = tuple(one for one, _ in pairs), tuple(one for _, one in pairs)
        if parts == 1:
            return [(region, target)]
        rows, large_rows = first[dimension]
        return [
            (moved(region, dimension, part * rows), moved(target, dimension, part * large_rows))
            for part in range(parts)
        ]

    return rule


def moved(region: Region, dimension: int, by: int) -> Region:
    return (*region[:dimension], *shifted(region[dimension:], by))


def require_equal_ties(targets: Mapping[str, str], ties: Mapping[str, str], motivated_ties: Mapping[str, str]) -> None:
    """Raise ValueError where one model ties two weights that are two in the other."""
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    for name, target in targets.items():
        first, first_target = ties.get(name, name), motivated_ties.get(target, target)
        if there.setdefault(first, first_target) != first_target:
            raise ValueError(f"the base ties {name} to {first}, and the motivated model does not: tie both, or neither")
        if back.setdefault(first_target, first) != first:
            raise ValueError(f"the motivated model ties {target} to {first_target}, and the base does not: tie both")


def require_plain(model: Any, role: str) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"the {role} is a {type(model).__name__}, not a torch.nn.Module")
    wrapper = wrapper_of(model)
    if wrapper == "OptimizedModule":
        raise ValueError(
            f"the {role} is wrapped by torch.compile: compile it in place, `model.compile()`, and give that"
        )
    if wrapper is not None:
        raise ValueError(f"the {role} is wrapped by {wrapper}: give the module itself (one process; `model.module`)")
    lazy = [name for name, parameter in model.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise ValueError(
            f"the {role} has no shape of {lazy[0]} yet (a lazy layer): send a batch through it first, before its "
            "optimizer is made"
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError(f"the {role} has parameters without memory (device meta)")


def require_one_kind(pair: Pair) -> None:
    """Raise ValueError where linked tensors differ in dtype, device, or in whether they are trained."""
    small, large = tensors_of(pair.base), tensors_of(pair.motivated)
    trained = [dict(model.named_parameters()) for model in (pair.base, pair.motivated)]
    for link in pair.weights_map.links:
        here, there = small[link.base], large[link.motivated]
        for what, one, other in (("dtype", here.dtype, there.dtype), ("device", here.device, there.device)):
            if one != other:
                raise ValueError(f"{link.base} is {one} in the base and {other} in the motivated model: one {what}")
        parameters = trained[0].get(link.base), trained[1].get(link.motivated)
        frozen = [parameter is None or not parameter.requires_grad for parameter in parameters]
        if frozen[0] != frozen[1]:
            where = "base" if frozen[0] else "motivated model"
            raise ValueError(f"{link.base} is trained in one model and frozen in the {where}: freeze it in both")


def require_name(suffix: str, names: Iterable[str], option: str) -> None:
    names = list(names)
    if not any(named(name, suffix) for name in names):
        raise ValueError(f"{option}: the motivated model has no {suffix!r}{did_you_mean(suffix, names)}")


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The nearest run of as many parts of a path as the word has."""
    length = word.count(".") + 1
    paths = [name.split(".") for name in names]
    runs = {".".join(path[at : at + length]) for path in paths for at in range(len(path) - length + 1)}
    close = difflib.get_close_matches(word, sorted(runs), n=1, cutoff=0.3)
    return f"; did you mean {close[0]!r}?" if close else ""
