"""A weights map as text: block by block, or tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seekcli.report.columns import aligned

Document = Mapping[str, Any]
BLOCK_HEADER = ("stage", "base", "motivated", "tensors", "elements", "regions")
TENSOR_HEADER = ("stage", "base tensor", "shape", "region", "motivated tensor", "shape", "region")
NUMERIC = ("tensors", "elements")


def as_text(document: Document, with_tensors: bool = False) -> str:
    """The whole of what `seek map --format json` gives, as a table with a heading and totals."""
    header, rows_of = (TENSOR_HEADER, tensor_rows) if with_tensors else (BLOCK_HEADER, block_rows)
    table = aligned(header, [row for stage in document["stages"] for row in rows_of(stage)], NUMERIC)
    unlinked = ", ".join(document["unlinked"]) or "none"
    lines = [heading(document), coverage_line(document), "", table, "", f"unlinked base tensors: {unlinked}"]
    return "\n".join(lines)


def heading(document: Document) -> str:
    size = document["image_size"]
    shape = f"{document['channels']}x{size}x{size}"
    facts = f"{document['classes']} classes, images {shape}"
    return f"{document['pair']} on {document['data']} ({facts}), map {document['map']}"


def coverage_line(document: Document) -> str:
    models = document["models"]
    base = f"{document['linked_elements']:,} of {document['base_elements']:,} elements of {models['base']}"
    motivated = f"{document['motivated_elements']:,} of {models['motivated']}"
    return f"coverage {document['coverage']:.2%}: {base} (weights and buffers) have a place among the {motivated}"


def block_rows(stage: Document) -> list[tuple[object, ...]]:
    """One row for each pair of blocks and each block of the motivated model alone, then what has no place in it."""
    linked: dict[tuple[str, str], list[Document]] = {}
    for link in stage["links"]:
        linked.setdefault((link["motivated_block"], link["base_block"]), []).append(link)
    alone: dict[str, list[Document]] = {}
    for tensor in stage["only_motivated"]:
        alone.setdefault(tensor["motivated_block"], []).append(tensor)
    rows: list[tuple[object, ...]] = [
        (stage["stage"], base, motivated, len({link["base"] for link in links}), elements_of(links), regions_of(links))
        for (motivated, base), links in linked.items()
    ]
    rows += [
        (stage["stage"], None, motivated, len(tensors), elements_of(tensors), "only in the motivated model")
        for motivated, tensors in alone.items()
    ]
    rows.sort(key=lambda row: natural(str(row[2])))
    return [*rows, *((stage["stage"], name, None, 1, None, "unlinked") for name in stage["unlinked"])]


def natural(name: str) -> list[int]:
    """The numbers in a name: `layer1.10` comes after `layer1.2`; names of equal numbers keep their order."""
    return [int(part) for part in re.findall(r"\d+", name)]


def elements_of(tensors: list[Document]) -> str:
    return f"{sum(tensor['elements'] for tensor in tensors):,}"


def regions_of(links: list[Document]) -> str:
    whole = all(is_whole(link["motivated_region"], link["motivated_shape"]) for link in links)
    return "whole" if whole else "parts (see --tensors)"


def tensor_rows(stage: Document) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for link in stage["links"]:
        sides = ((link[side], link[f"{side}_shape"], link[f"{side}_region"]) for side in ("base", "motivated"))
        cells = [(name, shape_text(shape), region_text(region, shape)) for name, shape, region in sides]
        rows.append((stage["stage"], *cells[0], *cells[1]))
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
