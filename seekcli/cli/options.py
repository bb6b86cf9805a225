"""From typed flags to layers of settings: the flags that several commands share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seekcli.cli.completion import models, pairs_and_models, trackers
from seekcli.cli.progress import STYLES
from seekcli.cli.setting_flags import MODEL, OUTPUT, RUN, choice_words
from seekcli.config.layers import Layers, parse_assignment
from seekcli.config.pair_settings import is_own_model
from seekcli.config.settings_files import read_settings, read_tree
from seekcli.config.value_types import TRACKERS
from seekcli.errors import BadInput, shown_value
from seekcli.method.roles import ROLES
from seekcli.models.catalog import MODELS, is_model, model_spec, parse_pair

# The options of `train` and `tune` that are no single setting.
ModelPair = Annotated[
    str | None,
    typer.Option(
        help="pair, such as resnet20-to-32 (the default)", rich_help_panel=MODEL, autocompletion=pairs_and_models
    ),
]
BaseModel = Annotated[
    str | None, typer.Option(help="base model, instead of --model", rich_help_panel=MODEL, autocompletion=models)
]
MotivatedModel = Annotated[
    str | None, typer.Option(help="motivated model, instead of --model", rich_help_panel=MODEL, autocompletion=models)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="settings of your own (TOML), as --print-config prints them; flags win",
        rich_help_panel=RUN,
    ),
]
AnySetting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="any of `seek list settings`; repeatable", rich_help_panel=RUN),
]
ResultsFolder = Annotated[Path, typer.Option(help="results folder", rich_help_panel=OUTPUT)]
ProgressStyle = Annotated[
    str, typer.Option(rich_help_panel=OUTPUT, **choice_words("how each run shows where it is", STYLES))
]

TRACK = f"show its rows there too, as they are recorded; repeatable (docs/trackers.md): {', '.join(TRACKERS)}"
Track = Annotated[
    list[str] | None,
    typer.Option(help=TRACK, metavar="<choice>", rich_help_panel=OUTPUT, autocompletion=trackers),
]


def model_layers(model: str | None, base: str | None, motivated: str | None, schedule: str | None = None) -> Layers:
    """`--model PAIR`, or `--base`/`--motivated`. A classic schedule may name its one model with `--model`."""
    if model is not None and (base is not None or motivated is not None):
        raise BadInput("--model names a whole pair: give it or --base and --motivated, not both")
    layers: Layers = []
    if is_model(model) and schedule in ROLES:
        layers.append(("--model", {f"pair.{schedule}": model}))
    elif is_model(model):
        raise BadInput(f"--model {model!r} is one model: name a pair such as resnet20-to-32, or add --schedule base")
    elif model is not None:
        small, large = parse_pair(model)
        layers.append(("--model", {"pair.base": small, "pair.motivated": large}))
    if base is not None and motivated is None:
        layers.append(("--base", {"pair.base": base, "pair.motivated": neighbour(base, 1, schedule)}))
    elif motivated is not None and base is None:
        layers.append(("--motivated", {"pair.base": neighbour(motivated, -1, schedule), "pair.motivated": motivated}))
    elif base is not None:
        layers += [("--base", {"pair.base": base}), ("--motivated", {"pair.motivated": motivated})]
    return layers


def neighbour(name: str, direction: int, schedule: str | None) -> str:
    """The next larger (1) or smaller (-1) model of the family: the other one of a pair of which one is named.

    A model that is trained alone needs none and may be the largest or smallest. Raises BadInput for an unknown name.
    """
    spec = model_spec(name, "base model" if direction > 0 else "motivated model")
    others = [one for one in MODELS.values() if one.family == spec.family and direction * (one.order - spec.order) > 0]
    nearest = None if is_own_model(name) else min(others, key=lambda one: direction * one.order, default=None)
    if nearest is not None:
        return nearest.name
    if schedule in ROLES:
        return name
    if is_own_model(name):
        raise BadInput(f"{name} is a model of your own: name both of its pair, with --base and --motivated")
    kind, flag = ("largest", "--motivated") if direction > 0 else ("smallest", "--base")
    raise BadInput(f"{name} is the {kind} of its family: it can only be named with {flag}, and the other one with it")


def config_layers(path: Path | None) -> Layers:
    """The settings of `--config FILE`; `model = PAIR` names both models, as in a grid file."""
    if path is None:
        return []
    what = f"--config {path}"
    settings = read_settings(read_tree(path, "--config"), what, others=("model",))
    model = settings.pop("model", None)
    if model is None:
        return [(what, settings)]
    if not isinstance(model, str):
        raise BadInput(f"{what}: model must be the name of one pair, got {shown_value(model)}")
    base, motivated = parse_pair(model)
    return [(what, {"pair.base": base, "pair.motivated": motivated, **settings})]


def flag_layers(flags: Mapping[str, tuple[str, Any]]) -> Layers:
    """{flag: (dotted key, value or None)} -> one layer per flag that was given."""
    return [(flag, {key: value}) for flag, (key, value) in flags.items() if value is not None]


def track_layers(names: list[str] | None) -> Layers:
    """Raises BadInput for a name that is no tracker, and for a library that is not here."""
    if not names:
        return []
    from seekcli.trackers.catalog import require_trackers

    require_trackers(names)
    return [("--track", {"runtime.track": list(dict.fromkeys(names))})]


def track_assignments(names: list[str] | None) -> list[str]:
    """The same as `--set` says it, for the workers of a grid. Raises BadInput."""
    return [f"{key}={json.dumps(value)}" for _, values in track_layers(names) for key, value in values.items()]


def set_layers(assignments: list[str] | None) -> Layers:
    return [("--set", dict([parse_assignment(text)])) for text in assignments or []]
