"""Every setting in words, from the schema: its key, type, default, choices and meaning."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from seekcli.config.schema import RunConfig
from seekcli.config.value_types import MAX_FLOAT32, MAX_INT32

TYPE_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
# Bounds that only say what a table or a kernel can hold.
UNSAID = {MAX_INT32, MAX_FLOAT32, 2**63 - 1}
SIGNS = {"ge": "{:g} or more", "gt": "above {:g}", "le": "up to {:g}", "lt": "below {:g}"}


def described_settings() -> list[dict[str, Any]]:
    """One row per setting, in the order of the schema. `choices` is empty where the type says all."""
    return list(section_rows(RunConfig, ""))


@cache
def optional_settings() -> frozenset[str]:
    """Keys of the settings that may be unset (null)."""
    return frozenset(row["key"] for row in described_settings() if row["type"].endswith("not set"))


@cache
def _settings_by_key() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in described_settings()}


def described_setting(key: str) -> dict[str, Any]:
    return _settings_by_key()[key]


def plain_type(key: str) -> type:
    """`int`, `float`, `bool` or `str`: what a value of the setting is, bounds and choices aside."""
    section: Any = RunConfig
    *parents, name = key.split(".")
    for parent in parents:
        section = section.model_fields[parent].annotation
    plain, _ = unwrapped(alternatives_of(section.model_fields[name].annotation)[0])
    return plain if plain in TYPE_WORDS else str


def section_rows(section: type[BaseModel], prefix: str) -> Iterator[dict[str, Any]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from section_rows(kind, f"{name}.")
            continue
        yield {
            "key": f"{prefix}{name}",
            "type": type_words(kind, field.metadata),
            "default": field.get_default(call_default_factory=True),
            "choices": choices(kind),
            "meaning": field.description or "",
        }


def alternatives_of(kind: Any) -> list[Any]:
    """The alternatives of a union without None; the type itself where it is none."""
    if get_origin(kind) in (Union, types.UnionType):
        return [part for part in get_args(kind) if part is not type(None)]
    return [kind]


def unwrapped(kind: Any) -> tuple[Any, list[Any]]:
    """A type without its annotations, and these."""
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        plain, more = unwrapped(inner)
        return plain, [*more, *notes]
    return kind, []


def type_words(kind: Any, notes: list[Any]) -> str:
    """`whole number, 1 or more, or not set`."""
    found = []
    for part in alternatives_of(kind):
        plain, own = unwrapped(part)
        found.append(", ".join([value_name(plain), *bounds([*notes, *own])]))
    return " or ".join([*found, *(["not set"] if type(None) in get_args(kind) else [])])


def value_name(plain: Any) -> str:
    origin = get_origin(plain)
    if origin is Literal:
        return "one of the choices"
    if origin in (tuple, list):
        return f"list of {value_name(unwrapped(get_args(plain)[0])[0])}s"
    if origin in (dict, Mapping):
        return "table"
    return TYPE_WORDS.get(plain, getattr(plain, "__name__", str(plain)))


def bounds(notes: list[Any]) -> Iterator[str]:
    # Field(ge=1) holds its bounds as metadata.
    for constraint in (each for note in notes for each in getattr(note, "metadata", None) or [note]):
        said = ((words, getattr(constraint, key, None)) for key, words in SIGNS.items())
        yield from (words.format(bound) for words, bound in said if bound is not None and bound not in UNSAID)


def choices(kind: Any) -> list[Any]:
    return [
        value
        for part in alternatives_of(kind)
        for plain in [unwrapped(part)[0]]
        if get_origin(plain) is Literal
        for value in get_args(plain)
    ]
