"""A pair and its weights map as plain data: what goes where, by stage, and how far each start is from the base."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput
from seekcli.models.layouts import Layout, known_layout, layout_of, link_shapes

if TYPE_CHECKING:
    from seekcli.config.schema import RunConfig
    from seekcli.method.weights_map import WeightsMap

# Tensor name -> (stage, block).
TensorPlaces = dict[str, tuple[str, str]]
STARTS_IMAGES = 32


def describe_pair(config: RunConfig) -> dict[str, Any]:
    """The pair and its map as plain data."""
    weights_map, base, motivated = mapped(config)
    return {
        "pair": config.pair_name,
        "models": {"base": config.pair.base, "motivated": config.pair.motivated},
        "map": config.pair.map,
        "data": config.data.name,
        "classes": config.data.classes,
        "channels": config.data.channels,
        "image_size": config.data.image_size,
        "context_length": config.data.context_length,
        "running_statistics": config.pair.buffers if base.running_statistics else None,
        **describe_map(weights_map, base, motivated),
    }


def mapped(config: RunConfig) -> tuple[WeightsMap, Layout, Layout]:
    """The map, and base and motivated model: as written down, else built, without memory for their weights."""
    data, names = config.data, (config.pair.base, config.pair.motivated)
    assert data.classes and data.channels and data.side, "the config is not resolved"
    base, motivated = (known_layout(name, data.classes, data.channels, data.side) for name in names)
    if base is not None and motivated is not None:
        return link_shapes(config.pair, base.shapes, motivated.shapes), base, motivated
    from seekcli.models.pairs import link_models, planned_models

    models = planned_models(config)
    return link_models(config.pair, models), layout_of(models["base"]), layout_of(models["motivated"])


def measure_starts(config: RunConfig) -> dict[str, float]:
    """By start: the relative error of the motivated model's logits at its first entry, on 32 images of noise.

    Of a text they are windows of random tokens.

    An added scale of the config is a start of its own, beside the identity start without it.
    """
    import torch

    from seekcli.models.catalog import starts_of
    from seekcli.models.pairs import build_pair
    from seekcli.models.starts import output_error_at_entry

    data, generator = config.data, torch.Generator().manual_seed(0)
    assert data.side and data.channels and data.classes, "the config is not resolved"
    if data.context_length is None:
        images = torch.randn((STARTS_IMAGES, data.channels, data.side, data.side), generator=generator)
    else:
        images = torch.randint(data.classes, (STARTS_IMAGES, data.side), generator=generator)
    starts = [(init, init, 0.0) for init in starts_of(config.pair.base, config.pair.motivated, config.pair.map)]
    if scale := config.pair.added_scale:
        starts.append((f"identity added_scale={scale:g}", "identity", scale))
    errors = {}
    for name, init, scale in starts:
        pair = config.pair.model_copy(update={"init": init, "added_scale": scale})
        try:
            errors[name] = output_error_at_entry(build_pair(config.model_copy(update={"pair": pair})), images)
        except BadInput:  # two modules of one's own, which cannot start so
            continue
    return errors


def describe_map(weights_map: WeightsMap, base: Layout, motivated: Layout) -> dict[str, Any]:
    """Totals and stages, elements being those of parameters and buffers alike."""
    base_places, motivated_places = places(base), places(motivated)
    names = dict.fromkeys([stage for stage, _ in (motivated_places | base_places).values()])
    stages = [describe_stage(name, weights_map, base_places, motivated_places) for name in names]
    return {
        "coverage": weights_map.coverage,
        "base_elements": sum(stage["base_elements"] for stage in stages),
        "linked_elements": sum(stage["linked_elements"] for stage in stages),
        "motivated_elements": sum(stage["motivated_elements"] for stage in stages),
        "unlinked": list(weights_map.unlinked),
        "stages": stages,
    }


def describe_stage(
    stage: str, weights_map: WeightsMap, base_places: TensorPlaces, motivated_places: TensorPlaces
) -> dict[str, Any]:
    """One stage: its links, and the tensors of either model that are in none. Regions are [start, stop] a dimension."""
    base_names = [name for name, (found, _) in base_places.items() if found == stage]
    motivated_names = [name for name, (found, _) in motivated_places.items() if found == stage]
    base_shapes, motivated_shapes = weights_map.base_shapes, weights_map.motivated_shapes
    links = [link for link in weights_map.links if link.base in base_names]
    return {
        "stage": stage,
        "base_elements": sum(prod(base_shapes[name]) for name in base_names),
        "linked_elements": sum(link.elements for link in links),
        "motivated_elements": sum(prod(motivated_shapes[name]) for name in motivated_names),
        "links": [
            {
                "base": link.base,
                "base_block": base_places[link.base][1],
                "base_shape": list(base_shapes[link.base]),
                "base_region": [list(span) for span in link.base_region],
                "motivated": link.motivated,
                "motivated_block": motivated_places[link.motivated][1],
                "motivated_shape": list(motivated_shapes[link.motivated]),
                "motivated_region": [list(span) for span in link.motivated_region],
                "elements": link.elements,
            }
            for link in links
        ],
        "unlinked": [name for name in base_names if name in weights_map.unlinked],
        "only_motivated": [
            {
                "motivated": name,
                "motivated_block": motivated_places[name][1],
                "motivated_shape": list(motivated_shapes[name]),
                "elements": prod(motivated_shapes[name]),
            }
            for name in motivated_names
            if name not in weights_map.receivers
        ],
    }


def places(layout: Layout) -> TensorPlaces:
    """Tensor name -> (stage, block): `layer1.0.conv1.weight` is in stage `layer1`, block `layer1.0`.

    What comes before the first stage is the `stem`, what comes after the last the `classifier`, as in `seek flops`.
    """
    found: TensorPlaces = {}
    stage = "stem"
    for name in layout.shapes:
        own = next((prefix for prefix in layout.stages if name.startswith(f"{prefix}.")), None)
        if own is None:
            stage = "stem" if stage == "stem" else "classifier"
            found[name] = (stage, name.partition(".")[0])
        else:
            stage = own
            item = name.removeprefix(f"{own}.").partition(".")[0]
            found[name] = (own, f"{own}.{item}" if item.isdigit() else own)
    return found
