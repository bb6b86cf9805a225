"""Settings that a user keeps in a TOML file, and settings written as such a file.

TOML has no null: a setting that may be unset says so with the text "none".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekcli.config.describe import optional_settings
from seekcli.config.layers import Resolved, check_key, recipe_settings
from seekcli.config.settings import flatten
from seekcli.errors import BadInput, visible
from seekcli.plain_data import json_text, parse_toml

NONE = "none"
# Of a file of settings, which is a page or two.
MOST_CHARACTERS = 1_000_000


def read_tree(path: Path, what: str) -> dict[str, Any]:
    """The file as a tree. Raises BadInput, beginning with `what` (`grid file`), for what cannot be read as TOML."""
    return tree_of(read_text(path, what), f"{what} {path}")


def tree_of(text: str, what: str) -> dict[str, Any]:
    """Raises BadInput, beginning with `what`, for what is no TOML."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise BadInput(f"{what}: {error}") from None


def read_text(path: Path, what: str) -> str:
    """The text of a file of settings. Raises BadInput, beginning with `what`, for what cannot be read."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin a file with a mark
            text = file.read(MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise BadInput(f"{what} {path} does not exist") from None
    except OSError as error:
        raise BadInput(f"{what} {path}: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, a NUL in the path
        raise BadInput(f"{what} {path}: {error}") from None
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"{what} {path}: more than {MOST_CHARACTERS:,} characters")
    return text


def read_settings(tree: Mapping[str, Any], what: str, others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Tables as dotted keys, each a setting or one of `others`. Raises BadInput with the nearest key."""
    flat = dict(flatten(tree))
    for key in flat:
        if key not in others:
            check_key(key, what)
    return {key: None if value == NONE and key in optional_settings() else value for key, value in flat.items()}


def is_recipe_file(name: str) -> bool:
    """Whether a recipe is named by a path of the user's own and not by the name of a shipped one."""
    return name.endswith(".toml") or os.sep in name


def read_recipe(path: Path, data_name: str) -> dict[str, Any]:
    """As `layers.load_recipe`, from a file of the user's own. Raises BadInput with the nearest key for a wrong one."""
    what, tree = f"--recipe {path}", read_tree(path, "--recipe")
    per_data = tree.get("per_data", {})
    if not isinstance(per_data, dict) or not all(isinstance(own, dict) for own in per_data.values()):
        raise BadInput(f"{what}: per_data must be tables by the name of the data, [per_data.cifar10]")
    for part in (recipe_settings({**tree, "per_data": {}}, ""), *per_data.values()):
        read_settings(part, what)
    return read_settings(recipe_settings(tree, data_name), what)


def as_toml(resolved: Resolved) -> str:
    """Every setting as `key = value  # where it came from`, which `read_settings` reads back.

    The steps of a baseline follow from `train.match` and are a comment: laid over its arm they would lengthen that.
    """
    lines = []
    for key, value in flatten(resolved.config.model_dump(mode="json")):
        name = ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json_text(part) for part in key.split("."))
        shown = json_text(NONE if value is None else value)
        follows = "# " if key == "train.steps" and resolved.config.train.match is not None else ""
        lines.append(f"{follows}{name} = {shown:<24}  # {visible(resolved.origins.get(key, 'default'))}")
    return "\n".join(lines)
