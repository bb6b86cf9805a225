"""Which columns of a table hold the images and their labels, and what the labels are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from seekcli.data.sets.labels import as_names, class_of_each, no_label_in, texts_as_classes
from seekcli.errors import BadInput, unknown

if TYPE_CHECKING:
    import pyarrow as pa

FEATURES = b"huggingface"  # where a table's schema says what its columns mean
USUAL_LABELS = ("label", "labels", "class", "target")


class Columns(NamedTuple):
    """The names of two columns, and of the classes where the table has them."""

    image: str
    label: str
    names: tuple[str, ...] | None


def choose_columns(schema: pa.Schema, asked: str, what: str) -> Columns:
    """`asked` is `IMAGE,LABEL`, or empty: then the only column of images, and the only one of class labels.

    Raises BadInput, with the columns there are, where that is not one each.
    """
    features = features_of(schema)
    if asked:
        image, label = asked.split(",")
        for name in (image, label):
            if name not in schema.names:
                raise BadInput(f"{what}: {unknown('column', name, schema.names)}")
    else:
        image = the_only(what, "images", images_among(schema), schema)
        label = the_only(what, "labels", labels_among(schema, features, image), schema)
    if image not in images_among(schema):
        raise BadInput(f"{what}: column {image} holds no images, but {schema.field(image).type}")
    names = features.get(label, {}).get("names") if is_class_label(features, label) else None
    return Columns(image, label, None if names is None else as_names(f"{what}: names of {label}", names))


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """What Hugging Face's libraries wrote of the columns; nothing where another program made the table."""
    try:
        found = json.loads((schema.metadata or {})[FEATURES])["info"]["features"]
        return {name: one for name, one in found.items() if isinstance(one, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def is_class_label(features: dict[str, Any], name: str) -> bool:
    return bool(features.get(name, {}).get("_type") == "ClassLabel")


def images_among(schema: pa.Schema) -> list[str]:
    """Columns of bytes: alone, or in a struct as the library's images are."""
    import pyarrow as pa

    def holds_bytes(kind: pa.DataType) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    def is_image(kind: pa.DataType) -> bool:
        if not pa.types.is_struct(kind):
            return holds_bytes(kind)
        index = kind.get_field_index("bytes")
        return index >= 0 and holds_bytes(kind.field(index).type)

    return [field.name for field in schema if is_image(field.type)]


def labels_among(schema: pa.Schema, features: dict[str, Any], image: str) -> list[str]:
    """Columns of class labels; without any those of a usual name; without these all of whole numbers or texts."""
    import pyarrow as pa

    if known := [name for name in schema.names if is_class_label(features, name)]:
        return known
    if usual := [name for name in schema.names if name in USUAL_LABELS]:
        return usual
    kinds = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    return [field.name for field in schema if field.name != image and any(kind(field.type) for kind in kinds)]


def the_only(what: str, holding: str, found: list[str], schema: pa.Schema) -> str:
    if len(found) != 1:
        which = f"several columns may hold the {holding} ({', '.join(found)})" if found else f"no column of {holding}"
        there = "" if found else f" among {', '.join(schema.names)}"
        raise BadInput(f"{what}: {which}{there}; name two, as in hf:DIR:IMAGE,LABEL")
    return found[0]


def label_values(what: str, values: Sequence[Any], names: Sequence[str] | None) -> list[str] | None:
    """The class of each image; None where no image of the split has a label."""
    import numpy as np

    if no_label_in(values):
        return None
    if None in values:
        raise BadInput(f"{what}: image {list(values).index(None)} has no label")
    if all(isinstance(value, str) for value in values):
        return texts_as_classes(what, values, names)
    if any(isinstance(value, str | dict | list) for value in values):
        raise BadInput(f"{what}: labels are numbers or texts, and there is {str(values[0])[:40]}")
    return class_of_each(what, np.array(values), names)
