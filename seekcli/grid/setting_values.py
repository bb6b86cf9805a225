"""What a setting in a grid file may be: its values, each checked against the type that the one schema of runs has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from seekcli.config.describe import alternatives_of, choices, optional_settings, unwrapped
from seekcli.config.schema import RunConfig
from seekcli.config.settings_files import NONE
from seekcli.documents import first_of
from seekcli.errors import nearest, shown_value

AUTO_K = ("motivation.k", "auto")
OPTIONS = "motivation.options."
Choices = dict[str, list[Any]]


def values_of(key: str, value: Any, path: str, complain: Callable[[str, str], None]) -> list[Any]:
    """What a setting may be: a list in the file stands for one run per value, of a setting that is a list a list of
    lists does. `complain` is told the path and what is wrong with it."""
    is_axis = isinstance(value, list) and (not is_list(key) or all(isinstance(each, list) for each in value))
    if value == []:
        complain(path, f"{path} is an empty list, so that no run has it")
    kept: list[Any] = []
    seen: set[tuple[type, Any]] = set()
    for said in value if is_axis else [value]:
        each = None if said == NONE and key in optional_settings() else said
        if (message := complaint(key, each)) is not None:
            complain(path, f"{path}: {message}")
        elif (own := (type(each), repr(each) if isinstance(each, list | dict) else each)) in seen:
            complain(path, f"{path} names {shown_value(each)} twice")
        else:
            seen.add(own)
        kept.append(each)
    return kept


def complaint(key: str, value: Any) -> str | None:
    """What the schema has against a value, with the nearest choice; None for nothing."""
    if (key, value) == AUTO_K or key.startswith(OPTIONS):
        return None
    try:
        adapter_of(key).validate_python(value)
    except ValidationError as error:
        said = first_of(error).what
        names = [str(each) for each in choices(field_of(key).annotation)]
        close = nearest(value, names) if isinstance(value, str) else None
        hint = f"; did you mean {close!r}?" if close else ""
        return f"{said[:1].lower()}{said[1:]}, got {shown_value(value)}{hint}"
    return None


@cache
def field_of(key: str) -> Any:
    section: Any = RunConfig
    *parents, name = key.split(".")
    for parent in parents:
        section = section.model_fields[parent].annotation
    return section.model_fields[name]


@cache
def adapter_of(key: str) -> TypeAdapter[Any]:
    """Of the type of one setting, as strict as a section of the schema is."""
    field = field_of(key)
    kind: Any = field.annotation
    for note in field.metadata:
        kind = Annotated[kind, note]
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


@cache
def is_list(key: str) -> bool:
    """Whether a value of the setting is a list itself. Options of a condition of one's own are taken for values."""
    if key.startswith(OPTIONS):
        return False
    kinds = [unwrapped(part)[0] for part in alternatives_of(field_of(key).annotation)]
    return any(getattr(kind, "__origin__", None) is list for kind in kinds)
