"""Weights maps (paper 3.3): which region of which motivated tensor holds which base tensor.

A region is one half-open (start, stop) per dimension; () is the whole of a 0-d tensor. Maps cover buffers too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a map is one of names and shapes: `seek map` makes it without torch
    from torch import Tensor, nn

Region = tuple[tuple[int, int], ...]
Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]  # of all tensors of a model by name, in the order of its state_dict
RegionRule = Callable[[str, Shape, Shape], list[tuple[Region, Region]]]


@dataclass(frozen=True)
class Link:
    """`base_region` of base tensor `base` <-> `motivated_region` of motivated tensor `motivated` (equal extents)."""

    base: str
    motivated: str
    base_region: Region
    motivated_region: Region

    @property
    def elements(self) -> int:
        return math.prod(stop - start for start, stop in self.base_region)


@dataclass(frozen=True)
class WeightsMap:
    """All links of a pair, checked: in bounds, every base element and every motivated element at most once.

    Raises ValueError at birth for a map that is not so, or that links nothing.
    """

    links: tuple[Link, ...]
    base_shapes: Shapes
    motivated_shapes: Shapes

    def __post_init__(self) -> None:
        for link in self.links:
            check_region(link.base, link.base_region, self.base_shapes)
            check_region(link.motivated, link.motivated_region, self.motivated_shapes)
            if extents(link.base_region) != extents(link.motivated_region):
                raise ValueError(f"link {link.base} -> {link.motivated}: regions differ in size")
        check_disjoint((link.base, link.base_region) for link in self.links)
        check_disjoint((link.motivated, link.motivated_region) for link in self.links)
        if not self.links:
            raise ValueError("the weights map links nothing: coverage is 0")

    @cached_property
    def linked_elements(self) -> dict[str, int]:
        """Base tensor name -> how many of its elements have a counterpart (0 for an unlinked one)."""
        counts = dict.fromkeys(self.base_shapes, 0)
        for link in self.links:
            counts[link.base] += link.elements
        return counts

    @property
    def coverage(self) -> float:
        """Share of base elements (parameters and buffers) that have a counterpart: 0 to 1."""
        return sum(self.linked_elements.values()) / sum(math.prod(shape) for shape in self.base_shapes.values())

    @property
    def full(self) -> bool:
        return all(self.linked_elements[name] == math.prod(shape) for name, shape in self.base_shapes.items())

    @property
    def unlinked(self) -> tuple[str, ...]:
        """Base tensors that have no counterpart at all."""
        return tuple(name for name, count in self.linked_elements.items() if count == 0)

    @property
    def receivers(self) -> frozenset[str]:
        """Motivated tensors that hold at least one base element."""
        return frozenset(link.motivated for link in self.links)


def extents(region: Region) -> Shape:
    return tuple(stop - start for start, stop in region)


def whole(shape: Shape) -> Region:
    return tuple((0, size) for size in shape)


def view(tensor: Tensor, region: Region) -> Tensor:
    """The region of a tensor, as a view that shares its memory."""
    for dimension, (start, stop) in enumerate(region):
        if (start, stop) != (0, tensor.shape[dimension]):
            tensor = tensor.narrow(dimension, start, stop - start)
    return tensor


def check_region(name: str, region: Region, shapes: Shapes) -> None:
    if name not in shapes:
        raise ValueError(f"weights map names {name!r}, which the model does not have")
    shape = shapes[name]
    if len(region) != len(shape) or any(not 0 <= a < b <= size for (a, b), size in zip(region, shape, strict=True)):
        raise ValueError(f"weights map: region {region} is outside {name} of shape {shape}")


def check_disjoint(uses: Iterable[tuple[str, Region]]) -> None:
    """Raise ValueError when two regions of one tensor share an element."""
    seen: dict[str, list[Region]] = {}
    for name, region in uses:
        for other in seen.setdefault(name, []):
            if all(a < d and c < b for (a, b), (c, d) in zip(region, other, strict=True)):
                raise ValueError(f"weights map: two regions of {name} overlap: {other} and {region}")
        seen[name].append(region)


def leading(name: str, base: Shape, motivated: Shape) -> list[tuple[Region, Region]]:
    """The general rule: leading slices along channel dimensions (0 and 1), centred ones along kernel dimensions (2 on).

    Where the base is the larger one (partly contained pairs), only the overlap is linked. The position embedding and
    class token, [1, tokens, width], are 3-d and follow the same rule with a leading last dimension.
    """
    if len(base) != len(motivated):
        return []
    regions = [
        overlap(b, m, centred=len(base) == 4 and d >= 2) for d, (b, m) in enumerate(zip(base, motivated, strict=True))
    ]
    return [(tuple(b for b, _ in regions), tuple(m for _, m in regions))]


def overlap(base: int, motivated: int, centred: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    size = min(base, motivated)
    base_start, motivated_start = ((base - size) // 2, (motivated - size) // 2) if centred else (0, 0)
    return (base_start, base_start + size), (motivated_start, motivated_start + size)


def fused(parts: int, pattern: str) -> RegionRule:
    """The `aligned` rule for tensors that stack `parts` projections along dimension 0 (q, k, v): each is sliced alone.

    `pattern` is a regular expression over base tensor names; other tensors take the leading rule.
    """
    matches = re.compile(pattern).search

    def regions(name: str, base: Shape, motivated: Shape) -> list[tuple[Region, Region]]:
        if not matches(name):
            return leading(name, base, motivated)
        rows, motivated_rows = base[0] // parts, motivated[0] // parts
        rest = leading(name, (rows, *base[1:]), (motivated_rows, *motivated[1:]))
        return [
            (shifted(base_region, part * rows), shifted(motivated_region, part * motivated_rows))
            for base_region, motivated_region in rest
            for part in range(parts)
        ]

    return regions


def shifted(region: Region, rows: int) -> Region:
    (start, stop), *rest = region
    return ((start + rows, stop + rows), *rest)


def align_blocks(base_blocks: int, motivated_blocks: int, alignment: str) -> dict[int, int]:
    """Base block index -> motivated block index within one stage.

    `last-to-last` (ResNets): the last base block goes to the last motivated one, the others to the first ones; a stage
    with a single base block maps first to first, since that block changes resolution and channels (paper 3.3).
    `first`: block i to block i. Raises ValueError when the base stage is the deeper one.
    """
    if base_blocks > motivated_blocks:
        raise ValueError(f"a stage of {base_blocks} blocks does not fit into one of {motivated_blocks}")
    if alignment not in ("last-to-last", "first"):
        raise ValueError(f"unknown block alignment {alignment!r}: last-to-last or first")
    blocks = {index: index for index in range(base_blocks)}
    if alignment == "last-to-last" and base_blocks > 1:
        blocks[base_blocks - 1] = motivated_blocks - 1
    return blocks


def block_renames(
    base_names: Sequence[str], motivated_names: Sequence[str], stages: Sequence[str], alignment: str
) -> Callable[[str], str]:
    """A function from base tensor name to motivated tensor name that moves block indices as `align_blocks` says.

    `stages` are the name prefixes under which blocks are numbered: "layer1" for `layer1.0.conv1.weight`.
    """
    moves: dict[str, dict[int, int]] = {}
    for prefix in stages:
        counts = (count_blocks(base_names, prefix), count_blocks(motivated_names, prefix))
        moves[prefix] = align_blocks(*counts, alignment)

    def rename(name: str) -> str:
        for prefix, targets in moves.items():
            if (found := block_of(name, prefix)) is not None:
                return f"{found[1]}{targets[int(found[2])]}{name[found.end(2) :]}"
        return name

    return rename


def block_of(name: str, prefix: str) -> re.Match[str] | None:
    """Where a tensor's name says its block: group 1 is all before the number, group 2 the number.

    Blocks are numbered by a dot, or as torchvision's `encoder_layer_0` of `encoder.layers.encoder_layer`.
    """
    return re.match(rf"({re.escape(prefix)}[._])(\d+)\.", name)


def count_blocks(names: Sequence[str], prefix: str) -> int:
    found = (block_of(name, prefix) for name in names)
    return len({match[2] for match in found if match})


def build_map(
    base: nn.Module,
    motivated: nn.Module,
    *,
    stages: Sequence[str] = (),
    alignment: str = "last-to-last",
    regions: RegionRule = leading,
    rename: Callable[[str], str] | None = None,
) -> WeightsMap:
    """`map_shapes` of two modules."""
    shapes = shapes_of(base), shapes_of(motivated)
    return map_shapes(*shapes, stages=stages, alignment=alignment, regions=regions, rename=rename)


def map_shapes(
    base_shapes: Shapes,
    motivated_shapes: Shapes,
    *,
    stages: Sequence[str] = (),
    alignment: str = "last-to-last",
    regions: RegionRule = leading,
    rename: Callable[[str], str] | None = None,
) -> WeightsMap:
    """The map of two models: names say which tensor, `regions` which part; the rest stays unlinked."""
    rename = rename or block_renames(list(base_shapes), list(motivated_shapes), stages, alignment)
    links = [
        Link(name, target, base_region, motivated_region)
        for name, shape in base_shapes.items()
        if (target := rename(name)) in motivated_shapes
        for base_region, motivated_region in regions(name, shape, motivated_shapes[target])
    ]
    return WeightsMap(tuple(links), base_shapes, motivated_shapes)


def shapes_of(module: nn.Module) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in tensors_of(module).items()}


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer by name, sharing memory with the module."""
    return dict(module.state_dict(keep_vars=False))
