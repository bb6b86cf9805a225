"""From typed flags to layers of settings: the flags that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekcli.config.layers import Layers, parse_assignment
from seekcli.config.settings_files import read_settings, read_tree
from seekcli.errors import BadInput, shown_value
from seekcli.method.roles import ROLES
from seekcli.models.catalog import MODELS, model_spec, parse_pair


def model_layers(model: str | None, base: str | None, motivated: str | None, schedule: str | None = None) -> Layers:
    """`--model PAIR`, or `--base`/`--motivated`. A classic schedule may name its one model with `--model`."""
    if model is not None and (base is not None or motivated is not None):
        raise BadInput("--model names a whole pair: give it or --base and --motivated, not both")
    layers: Layers = []
    if model in MODELS and schedule in ROLES:
        layers.append(("--model", {f"pair.{schedule}": model}))
    elif model in MODELS:
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
    nearest = min(others, key=lambda one: direction * one.order, default=None)
    if nearest is not None:
        return nearest.name
    if schedule in ROLES:
        return name
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


def length_flags(epochs: int | None, steps: int | None) -> dict[str, tuple[str, int | None]]:
    """`--epochs` or `--steps`, as `flag_layers` takes them. Raises BadInput for both."""
    if epochs is not None and steps is not None:
        raise BadInput("--epochs counts passes over the training set and --steps updates: give one of the two")
    return {"--epochs": ("train.epochs", epochs), "--steps": ("train.steps", steps)}


def parse_k(text: str | None) -> int | str | None:
    """`--k 3` or `--k auto`; the schema checks the number."""
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadInput(f"--k: expected an integer or auto, got {text!r}") from None


def set_layers(assignments: list[str] | None) -> Layers:
    return [("--set", dict([parse_assignment(text)])) for text in assignments or []]
