"""A grid file -> its points: every arm, every combination of the lists in it, every seed. Equal runs are one point.

name = "digits"
seeds = 3                       # 0, 1, 2; or a list of them: [3, 4]
[settings]                      # shared by all arms: `model = "resnet20-to-32"` and any key of the schema
[[arms]]                        # one arm; a list stands for one arm per value
schedule = "alternating"
pair.init = ["paper", "identity"]
[[arms]]                        # both models alone, with the training compute that the arm is expected to have
schedule = ["base", "motivated"]
match = "train_flops"           # with match_from = "results": what its runs did have
[[arms]]                        # the same of a run of `schedule = "grow"`
schedule = ["base", "motivated"]
match = "train_flops"
match_schedule = "grow"         # with motivation.grow_at = 0.8, as in that run
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from seekcli.config.identity import run_id
from seekcli.config.layers import Layers, Resolved
from seekcli.config.seeds import seeds_asked
from seekcli.config.settings import flatten
from seekcli.config.settings_files import read_tree
from seekcli.config.value_types import MOST_RUNS
from seekcli.errors import BadInput, shown_value, unknown
from seekcli.grid.tune import Tuning, draft
from seekcli.models.catalog import parse_pair

GRID_KEYS = ("name", "seeds", "settings", "arms")
GRID_SHORT_NAMES = {name: f"train.{name}" for name in ("match", "match_from", "match_schedule")}


@dataclass(frozen=True)
class Point:
    """One run of a grid. With `motivation.k = "auto"` and no k chosen yet it waits for `tuning` and has no run id."""

    run_id: str | None
    resolved: Resolved
    tuning: Tuning | None = None

    @property
    def label(self) -> str:
        """The run id, or what the search for k will name and the seed."""
        waiting = f"{self.tuning.name}_s{self.resolved.config.seed}" if self.tuning else ""
        return self.run_id or waiting


def read_grid(path: Path) -> dict[str, Any]:
    """The file as a tree. Raises BadInput naming the file and the key that is wrong."""
    tree = read_tree(path, "grid file")
    for key in tree:
        if key not in GRID_KEYS:
            raise unknown(f"key in grid file {path}:", key, GRID_KEYS)
    arms = tree.get("arms", [{}])
    if not isinstance(tree.get("name", ""), str):
        raise BadInput(f"grid file {path}: name must be text, got {shown_value(tree['name'])}")
    if not isinstance(tree.get("settings", {}), dict):
        raise BadInput(f"grid file {path}: settings must be a table, [settings], got {shown_value(tree['settings'])}")
    if not isinstance(arms, list) or not arms or not all(isinstance(arm, dict) for arm in arms):
        raise BadInput(f"grid file {path}: arms must be tables, [[arms]], got {shown_value(arms)}")
    return tree


def points_of_grid(path: Path, overrides: Layers | None = None, results: Path = Path("results")) -> list[Point]:
    """The points of a grid file, seeds outermost, without repetition. `overrides` are laid over every point.

    `results` is where a chosen k is looked for, and runs that are named by their id.
    """
    tree = read_grid(path)
    points: dict[str, Point] = {}
    shared = as_settings(tree.get("settings", {}), path)
    arms = [choices_of(shared | as_settings(arm, path), path) for arm in tree.get("arms", [{}])]
    seeds = seeds_asked(tree.get("seeds", 1), f"grid file {path}: seeds")
    if (runs := len(seeds) * sum(prod(map(len, choices.values())) for choices in arms)) > MOST_RUNS:
        raise BadInput(f"grid file {path} has {runs:,} runs: at most {MOST_RUNS:,}")
    for seed in seeds:
        for choices in arms:
            for values in itertools.product(*choices.values()):
                settings = dict(zip(choices, values, strict=True))
                layers: Layers = [(path.name, {"seed": seed, **settings}), *(overrides or [])]
                point = point_of(layers, results)
                points.setdefault(point.label, point)
    return list(points.values())


def point_of(layers: Layers, results: Path) -> Point:
    found = draft(layers, results)
    return Point(None if found.tuning else run_id(found.resolved.config), found.resolved, found.tuning)


def as_settings(tree: dict[str, Any], path: Path) -> dict[str, Any]:
    """Nested tables -> dotted settings, with the shorthands `model = PAIR`, `match` and `match_*`."""
    flat = {GRID_SHORT_NAMES.get(key, key): value for key, value in flatten(tree)}
    model = flat.pop("model", None)
    if model is None:
        return flat
    if not isinstance(model, str):
        raise BadInput(f"grid file {path}: model must be the name of one pair, got {shown_value(model)}")
    base, motivated = parse_pair(model)
    return {"pair.base": base, "pair.motivated": motivated, **flat}


def choices_of(settings: dict[str, Any], path: Path) -> dict[str, list[Any]]:
    """What each setting may be: a list in the file stands for one arm per value. Raises BadInput for an empty one."""
    for key, value in settings.items():
        if value == []:
            raise BadInput(f"grid file {path}: {key} is an empty list, so that no run has it")
    return {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
