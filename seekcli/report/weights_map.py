"""A weights map as text: stages, blocks and shapes, or tensor by tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from seekcli.method.roles import ROLES
from seekcli.report.columns import aligned, fitted

Document = Mapping[str, Any]
STAGE_HEADER = ("stage", "base elements", "linked", "coverage", "motivated elements")
BLOCK_HEADER = ("stage", "base", "motivated", "tensors", "elements", "coverage")
SHAPE_HEADER = ("stage", "tensors", "base shape", "region", "motivated shape", "region")
NARROW_SHAPE_HEADER = ("stage", "tensors", "base", "motivated")
REGIONS = "8x4[0:2,:] are the first two of eight rows; a shape alone is the whole tensor"
TENSOR_HEADER = ("stage", "base tensor", "shape", "region", "motivated tensor", "shape", "region")
START_HEADER = ("start (--init)", "output error at entry")
NUMERIC = ("base elements", "linked", "coverage", "motivated elements", "tensors", "elements")


def weights_map_text(document: Document, with_tensors: bool = False, width: int = 80) -> str:
    """What `seek map --format json` gives: stages, blocks and shapes as tables, or every tensor in one.

    Where that many columns are too few, a shape and its region are one cell, and tensors are no table.

    Coverage is the share of the base's elements that have a counterpart.
    """
    stages = document["stages"]

    def table(header: tuple[str, ...], rows_of: Callable[[Document], list[tuple[object, ...]]]) -> str:
        return fitted(header, [row for stage in stages for row in rows_of(stage)], width, NUMERIC)

    def first_that_fits(whole: str, narrow: Callable[[], str]) -> str:
        return whole if max(map(len, whole.splitlines())) <= width else f"{narrow()}\n{REGIONS}"

    lines = [heading(document), coverage_line(document), *statistics_lines(document)]
    if with_tensors:
        rows = [row for stage in stages for row in tensor_rows(stage)]
        lines += ["", first_that_fits(aligned(TENSOR_HEADER, rows), lambda: "\n".join(tensor_lines(stages)))]
    else:
        rows = [row for stage in stages for row in shape_rows(stage)]
        shapes = aligned(SHAPE_HEADER, rows, NUMERIC)
        lines += ["", table(STAGE_HEADER, stage_rows), "", table(BLOCK_HEADER, block_rows)]
        lines += ["", first_that_fits(shapes, lambda: table(NARROW_SHAPE_HEADER, narrow_shape_rows))]
    if errors := document.get("output_error_at_entry"):
        rows = [(init, f"{error:.2g}") for init, error in errors.items()]
        lines += ["", aligned(START_HEADER, rows, ("output error at entry",))]
    unlinked, partly = document["unlinked"], partly_linked(document)
    lines += ["", f"unlinked base tensors: {', '.join(unlinked) or 'none'}"]
    lines += [f"partly linked base tensors: {len(partly)} ({partly[0]}, ...)"] if partly else []
    return "\n".join(lines if with_tensors else [*lines, "each tensor with its shape and region: --tensors"])


def heading(document: Document) -> str:
    size = document["image_size"]
    shape = f"{document['channels']}x{size}x{size}"
    facts = f"{document['classes']} classes, images {shape}"
    if (length := document.get("context_length")) is not None:
        facts = f"{document['classes']} different tokens, windows of {length}"
    return f"{document['pair']} on {document['data']} ({facts}), map {document['map']}"


def coverage_line(document: Document) -> str:
    models = document["models"]
    base = f"{document['linked_elements']:,} of {document['base_elements']:,} elements of {models['base']}"
    motivated = f"{document['motivated_elements']:,} of {models['motivated']}"
    return f"coverage {document['coverage']:.2%}: {base} (weights and buffers) have a place among the {motivated}"


STATISTICS = {
    "own": "BatchNorm running statistics have their place too, and stay with their model (pair.buffers own): "
    "the motivated one takes those of the base until its first own step",
    "carried": "BatchNorm running statistics are copied with the weights (pair.buffers carried)",
}


def statistics_lines(document: Document) -> list[str]:
    """What a switch does with running statistics; nothing for models without any."""
    rule = document["running_statistics"]
    return [] if rule is None else [STATISTICS[rule]]


def stage_rows(stage: Document) -> list[tuple[object, ...]]:
    base, linked = stage["base_elements"], stage["linked_elements"]
    return [(stage["stage"], f"{base:,}", f"{linked:,}", share_text(linked, base), f"{stage['motivated_elements']:,}")]


def block_rows(stage: Document) -> list[tuple[object, ...]]:
    """One row for each pair of blocks and each block of the motivated model alone, then what has no place in it."""
    linked: dict[tuple[str, str], list[Document]] = {}
    for link in stage["links"]:
        linked.setdefault((link["motivated_block"], link["base_block"]), []).append(link)
    alone: dict[str, list[Document]] = {}
    for tensor in stage["only_motivated"]:
        alone.setdefault(tensor["motivated_block"], []).append(tensor)
    rows: list[tuple[object, ...]] = [
        (stage["stage"], base, motivated, len(base_sizes(links)), elements_of(links), block_coverage(links))
        for (motivated, base), links in linked.items()
    ]
    rows += [
        (stage["stage"], None, motivated, len(tensors), elements_of(tensors), "only in the motivated model")
        for motivated, tensors in alone.items()
    ]
    rows.sort(key=lambda row: natural(str(row[2])))
    return [*rows, *((stage["stage"], name, None, 1, None, "unlinked") for name in stage["unlinked"])]


def shape_rows(stage: Document) -> list[tuple[object, ...]]:
    """Links of equal shapes and regions in one row, in the order in which they come first."""
    alike: Counter[tuple[str, ...]] = Counter(
        (*shape_and_region(link, "base"), *shape_and_region(link, "motivated")) for link in stage["links"]
    )
    return [(stage["stage"], count, *cells) for cells, count in alike.items()]


def narrow_shape_rows(stage: Document) -> list[tuple[object, ...]]:
    alike = Counter(tuple(narrow_region(link, side) for side in ROLES) for link in stage["links"])
    return [(stage["stage"], count, *cells) for cells, count in alike.items()]


def narrow_region(link: Document, side: str) -> str:
    """`256x64x1x1[0:64,:,:,:]`; the shape alone where the region is the whole."""
    shape, region = link[f"{side}_shape"], link[f"{side}_region"]
    if is_whole(region, shape):
        return shape_text(shape)
    spans = (":" if span == [0, size] else f"{span[0]}:{span[1]}" for span, size in zip(region, shape, strict=True))
    return f"{shape_text(shape)}[{','.join(spans)}]"


def tensor_lines(stages: list[Document]) -> Iterator[str]:
    """A line for each link and each tensor without one, below the name of its stage."""
    for stage in stages:
        yield f"{stage['stage']}:"
        for link in stage["links"]:
            base, motivated = (f"{link[side]} {narrow_region(link, side)}" for side in ROLES)
            yield f"  {base} -> {motivated}"
        yield from (f"  {name}: unlinked" for name in stage["unlinked"])
        for tensor in stage["only_motivated"]:
            yield f"  {tensor['motivated']} {shape_text(tensor['motivated_shape'])}: only in the motivated model"


def shape_and_region(link: Document, side: str) -> tuple[str, str]:
    shape, region = link[f"{side}_shape"], link[f"{side}_region"]
    return shape_text(shape), region_text(region, shape)


def base_sizes(links: list[Document]) -> dict[str, int]:
    """Elements of each base tensor that the links name."""
    return {link["base"]: prod(link["base_shape"]) for link in links}


def block_coverage(links: list[Document]) -> str:
    return share_text(sum(link["elements"] for link in links), sum(base_sizes(links).values()))


def share_text(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"  # a stage that the base does not have


def partly_linked(document: Document) -> list[str]:
    """Base tensors of which only a part has a counterpart."""
    links = [link for stage in document["stages"] for link in stage["links"]]
    linked: Counter[str] = Counter()
    for link in links:
        linked[link["base"]] += link["elements"]
    return [name for name, size in base_sizes(links).items() if linked[name] < size]


def natural(name: str) -> list[int]:
    """The numbers in a name: `layer1.10` comes after `layer1.2`; names of equal numbers keep their order."""
    return [int(part) for part in re.findall(r"\d+", name)]


def elements_of(tensors: list[Document]) -> str:
    return f"{sum(tensor['elements'] for tensor in tensors):,}"


def tensor_rows(stage: Document) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for link in stage["links"]:
        base, motivated = ((link[side], *shape_and_region(link, side)) for side in ROLES)
        rows.append((stage["stage"], *base, *motivated))
    rows += [(stage["stage"], name, None, "unlinked", None, None, None) for name in stage["unlinked"]]
    rows += [
        (stage["stage"], None, None, None, tensor["motivated"], shape_text(tensor["motivated_shape"]), "only here")
        for tensor in stage["only_motivated"]
    ]
    return rows


def shape_text(shape: list[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def is_whole(region: list[list[int]], shape: list[int]) -> bool:
    return region == [[0, size] for size in shape]


def region_text(region: list[list[int]], shape: list[int]) -> str:
    return "whole" if is_whole(region, shape) else ", ".join(f"{start}:{stop}" for start, stop in region)
