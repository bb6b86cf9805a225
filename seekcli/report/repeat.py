"""The `seek train` command that repeats one run of a list, or a run for each of several seeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seekcli.config.identity import CLASSIC_NOT_HASHED, NOT_HASHED, flat_config, unread_settings
from seekcli.config.layers import DEFAULTS, Resolved, load_recipe, parse_assignment, recipe_names
from seekcli.config.schema import RunConfig
from seekcli.config.settings import flatten
from seekcli.errors import BadInput, visible
from seekcli.plain_data import json_text

FLAGS = {
    "pair.base": "--base",
    "pair.motivated": "--motivated",
    "schedule": "--schedule",
    "seed": "--seed",
    "data.name": "--data",
    "data.dir": "--data-dir",
    "train.task": "--task",
    "data.image_size": "--image-size",
    "data.limit_train": "--limit-train",
    "train.epochs": "--epochs",
    "train.steps": "--steps",
    "train.batch_size": "--batch-size",
    "train.match": "--match",
    "train.match_from": "--match-from",
    "optimizer.lr": "--lr",
    "motivation.condition": "--condition",
    "motivation.k": "--k",
    "motivation.grow_at": "--at",
    "pair.init": "--init",
    "pair.map": "--map",
    "transfer.source": "--init-from",
    "transfer.role": "--role",
    "extend.source": "--extend",
    "recipe": "--recipe",
    "runtime.device": "--device",
    "runtime.precision": "--precision",
}
SWITCHES = {"transfer.pretrained": "--pretrained", "runtime.force": "--force"}
# Resolved, never typed.
FOUND = (
    "recipe_file",
    *("data.fingerprint", "data.classes", "data.channels", "data.input_shape", "transfer.sha256", "transfer.run"),
    *("extend.run", "extend.sha256", "extend.epochs_before", "extend.settings_sha256"),
)
ALWAYS_SAID = ("pair.base", "pair.motivated", "schedule", "seed")


def command_of(resolved: Resolved, out: Path, grid: str = "", fresh: bool = False) -> str:
    """What to type for this run alone; `grid` is the name of the grid file that it stands in.

    A run whose k is not chosen yet searches for it first.
    """
    undecided = resolved.origins.get("motivation.k") == "auto, not chosen yet"
    processes = resolved.config.train.processes
    words = ["seek"] if processes == 1 else ["torchrun", "--nproc-per-node", str(processes), "-m", "seekcli"]
    words.append("train")
    for key, value in flatten(resolved.config.model_dump(mode="json")):
        if key == "motivation.k" and undecided:
            words += ["--k", "auto"]
        elif was_said(resolved, key, grid) and (undecided or not key.startswith("tune.")):
            own = resolved.config.recipe_file if key == "recipe" else None
            words += as_words(key, own or value)
    words += ["--fresh"] if fresh else []
    return " ".join(as_shell_word(word) for word in [*words, "--out", str(out)])


# In no run id, and needed all the same. Where steps or counts came from is not: they stand there themselves.
SOURCES = ("transfer.source", "extend.source")
BESIDE = (*SOURCES, "transfer.role", "data.dir", "runtime.threads")


def command_of_config(config: RunConfig, seeds: Iterable[int], out: Path) -> str:
    """What to type for these seeds of a run of which nothing but its settings is known: what is not the recipe's own.

    Settings that were found out stand in it too, so that it is the same run whatever is found out elsewhere.
    """
    flat = flat_config(config)
    unread = {*NOT_HASHED, *unread_settings(flat), *FOUND, "seed", "motivation.counts_from"} - {*BESIDE}
    unread |= {"data.image_size"} if config.data.input_shape is not None else set()
    known = config.recipe in recipe_names() and config.recipe_file is None
    usual = DEFAULTS | (load_recipe(str(config.recipe), config.data.name) if known else {})
    words = ["seek", "train"]
    for key, value in flat.items():
        is_said = key in ALWAYS_SAID or key == "recipe" or value != usual.get(key)
        of_pair = key.partition(".")[0] in CLASSIC_NOT_HASHED and key not in ALWAYS_SAID
        if is_said and key not in unread and not (of_pair and config.classic):
            own = config.recipe_file if key == "recipe" else None
            words += as_words(key, own or value)
    numbers = sorted(seeds)
    words += ["--seed", str(*numbers)] if len(numbers) == 1 else ["--seeds", _listed(numbers)]
    return " ".join(as_shell_word(word) for word in [*words, "--out", str(out)])


def _listed(seeds: list[int]) -> str:
    return str(len(seeds)) if seeds == list(range(len(seeds))) else ",".join(map(str, seeds))


def as_shell_word(word: str) -> str:
    """Quoted for a shell; what a terminal would obey is written out, as bash and zsh read it in $'...'."""
    if visible(word) == word:
        return shlex.quote(word)
    return "$'" + visible(word.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def was_said(resolved: Resolved, key: str, grid: str) -> bool:
    """Whether a setting was asked for: by a flag, in the grid file or by the search; the rest follows from those."""
    origin = resolved.origins.get(key, "default")
    follows = (key == "train.steps" and resolved.config.train.match is not None) or (
        key == "motivation.counts" and resolved.config.motivation.counts_from is not None
    )
    said = origin.startswith("--") or origin in (grid, "tune", "tuned") or key in ALWAYS_SAID
    # `--at` beside `--match` says it.
    follows = follows or (key == "train.match_schedule" and origin == "--at")
    return said and not follows and key not in FOUND


def as_words(key: str, value: Any) -> list[str]:
    if key in FLAGS and value is not None:
        return [FLAGS[key], str(value)]
    if key in SWITCHES:
        return [SWITCHES[key]] if value else []
    return ["--set", f"{key}={as_toml(key, value)}"]


def as_toml(key: str, value: Any) -> str:
    """The value as `--set` reads it: a bare word where that is the same."""
    if value is None:
        return "none"
    if not isinstance(value, str):
        return json_text(value)
    try:
        return value if parse_assignment(f"{key}={value}") == (key, value) else json_text(value)
    except BadInput:
        return json_text(value)
