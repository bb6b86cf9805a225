"""Layers of settings laid over the defaults, later wins; where each value came from; shipped recipes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from seekcli.config.describe import optional_settings
from seekcli.config.schema import RunConfig
from seekcli.config.settings import flatten, unflatten
from seekcli.documents import first_of
from seekcli.errors import BadInput, shown_value, unknown
from seekcli.plain_data import parse_toml

Layers = list[tuple[str, Mapping[str, Any]]]  # (where it comes from, dotted key -> value), later wins

DEFAULTS: dict[str, Any] = dict(flatten(RunConfig().model_dump()))


def check_key(key: str, source: str) -> None:
    """Raise BadInput with the nearest key unless `key` is a setting of the schema (options have names of their own)."""
    if key not in DEFAULTS and not (key + ".").startswith("motivation.options."):
        raise unknown(f"setting in {source}:", key, DEFAULTS, "seek list settings")


def parse_assignment(text: str) -> tuple[str, Any]:
    """`optimizer.lr=0.05` -> ("optimizer.lr", 0.05). Values are TOML; a bare word is a string, `none` is null."""
    key, separator, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not separator or not raw:
        raise BadInput(f"--set {shown_value(text)}: expected key=value, such as optimizer.lr=0.05")
    check_key(key, "--set")
    if raw.lower() == "none" and key in optional_settings():
        return key, None
    try:
        return key, parse_toml(f"value = {raw}")["value"]
    except ValueError:
        return key, raw


class Resolved(BaseModel):
    """A config, and for each dotted key the name of the layer that set it."""

    model_config = ConfigDict(frozen=True)
    config: RunConfig
    origins: dict[str, str]

    def updated(self, values: Mapping[str, Any], origin: str) -> Resolved:
        """The same with `values` (dotted keys) laid on top, which are validated."""
        origins = self.origins | dict.fromkeys(values, origin)
        try:
            config = with_values(self.config, values)
        except (ValidationError, KeyError):  # in words, and with whatever else there is to say
            config = validate(dict(flatten(self.config.model_dump())) | dict(values), origins)
        return Resolved.model_construct(config=config, origins=origins)


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Only the sections that the values are in are made anew: what stands in the others has been validated.

    Raises ValidationError for a value that the schema refuses, KeyError for a key that is no setting.
    """
    whole: dict[str, Any] = dict(config)
    by_section: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if "." in name or isinstance(whole[section], BaseModel) != bool(name):
            raise KeyError(key)
        by_section.setdefault(section, {})[name] = value
    for section, own in by_section.items():
        whole[section] = own[""] if "" in own else _section_with(whole[section], own)
    return RunConfig.model_validate(whole)


def _section_with(section: BaseModel, values: Mapping[str, Any]) -> BaseModel:
    return type(section).model_validate(section.model_dump() | dict(values))


def merge(layers: list[tuple[str, Mapping[str, Any]]]) -> Resolved:
    """Lay `(origin, {dotted key: value})` layers over the defaults; later wins.

    Raises BadInput for an unknown key or a value that the schema refuses.
    """
    flat, origins = dict(DEFAULTS), dict.fromkeys(DEFAULTS, "default")
    for origin, values in layers:
        for key, value in flatten(values):
            check_key(key, origin)
            flat[key], origins[key] = value, origin
    return Resolved.model_construct(config=validate(flat, origins), origins=origins)


def validate(flat: Mapping[str, Any], origins: Mapping[str, str]) -> RunConfig:
    try:
        return RunConfig.model_validate(unflatten(flat))
    except ValidationError as error:
        key, what, value = first_of(error)
        origin = origins.get(key, "settings")
        one_setting = origin.startswith("--") and not origin.startswith(("--set", "--config"))
        where = origin if one_setting else f"{key} ({origin})"
        raise BadInput(f"{where}: {what[:1].lower()}{what[1:]}, got {shown_value(value)}") from None


def recipe_names() -> list[str]:
    return list(_recipe_names())


@cache
def _recipe_names() -> tuple[str, ...]:
    folder = resources.files("seekcli") / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def _recipe_tree(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("seekcli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8"))


def load_recipe(name: str, data_name: str = "") -> dict[str, Any]:
    """A shipped recipe's settings (`per_data` laid on top) as dotted keys. Raises BadInput for an unknown name."""
    if name not in recipe_names():
        raise unknown("recipe", name, recipe_names(), "seek list recipes")
    return recipe_settings(_recipe_tree(name), data_name)


def recipe_settings(tree: Mapping[str, Any], data_name: str) -> dict[str, Any]:
    """The settings of a recipe as its file has them, for this data."""
    own = {key: value for key, value in tree.items() if key not in ("about", "per_data")}
    per_data = tree.get("per_data", {}).get(data_name.partition(":")[0], {})
    return dict(flatten(own)) | dict(flatten(per_data))
