"""config.json: the full resolved settings of a run, where each came from, and what its data turned out to be.

The one reader of that file. Settings that came after the run stand at their old behaviour (`stored_config`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seekcli.config.identity import run_id, stored_config
from seekcli.config.schema import RunConfig
from seekcli.documents import first_problem, read_document, refuse_newer
from seekcli.errors import BadInput
from seekcli.runs.records import CONFIG

# What every run has had from the beginning.
SECTIONS = ("schedule", "seed", "pair", "motivation", "data", "train", "optimizer", "lr_schedule", "augment", "runtime")


@dataclass(frozen=True)
class ConfigFile:
    """What config.json of a run says. `run_id` is that of its settings, or None in a file that names no run."""

    path: Path
    run_id: str | None
    config: RunConfig
    facts: Mapping[str, Any]  # of the data: see `engines.run.config_document`; empty where there are none


def read_config(run_dir: Path) -> ConfigFile:
    """Raises BadInput, naming the file, when it is missing, damaged, newer, or its settings are not those of its id."""
    path = run_dir / CONFIG
    tree = read_document(path)
    if not isinstance(tree, dict):
        raise BadInput(f"{path} is damaged (not a mapping of settings)")
    refuse_newer(path, tree.get("schema_version"))
    owner, settings, facts = tree.get("run_id"), tree.get("config", tree), tree.get("facts", {})
    if not isinstance(settings, dict):
        raise BadInput(f"{path} is damaged (not a mapping of settings)")
    named = {key.partition(".")[0] for key in settings}  # a tree, or dotted keys
    if missing := [name for name in SECTIONS if name not in named]:
        raise BadInput(f"{path} is damaged (no {missing[0]})")
    try:
        config = stored_config(settings)
    except ValidationError as error:
        raise BadInput(f"{path} is damaged: {first_problem(error)}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    if owner is not None and (made_of := run_id(config)) != owner:
        raise BadInput(f"{path} is damaged: its settings are those of {made_of}, not of {owner}")
    return ConfigFile(path, owner, config, facts if isinstance(facts, dict) else {})


def config_if_readable(run_dir: Path) -> ConfigFile | None:
    """As `read_config`, None where that would raise."""
    try:
        return read_config(run_dir)
    except BadInput:
        return None
