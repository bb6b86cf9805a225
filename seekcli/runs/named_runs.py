"""Runs that a setting or an argument names: run folders or run ids each, and of a results folder those that fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, MissingSource, reworded, unknown
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import RunStatus
from seekcli.runs.scan import RunSummary, scan_runs

# Of the runs of a results folder, named by this word, those that fit. Raises BadInput for none.
Choose = Callable[[Sequence[RunSummary], str], list[RunSummary]]


def named_runs(key: str, text: str, results: Path, choose: Choose) -> list[RunSummary]:
    """The runs that the comma-separated `text` of setting `key` names; `results` is where run ids are looked for."""
    found: dict[str, RunSummary] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        path = folder_named(key, word, results)
        try:
            runs = scan_runs([path])
        except BadInput as error:
            raise reworded(error, f"{key} {word}: {error}") from None
        named_itself = RunFolder(path).holds_run
        found |= {run.run_id: run for run in (runs if named_itself else choose(runs, word))}
    if not found:
        raise BadInput(f"{key} {text!r} names no run")
    return list(found.values())


def folder_named(key: str, word: str, results: Path) -> Path:
    path = Path(os.path.expanduser(word))
    for candidate in (path, results / "runs" / word):
        if candidate.is_dir():
            return candidate if candidate == path else of_its_name(candidate)
    raise MissingSource(f"{key} {word}: no such folder, and no run of that name in {results}")


def find_run(text: str, results: Path) -> Path:
    """A run folder from its path, its run id under `results`/runs, or the hash that ends its id.

    Raises BadInput with the nearest id when there is none.
    """
    path = Path(text)
    if path.is_file() or path.is_dir():
        return RunFolder.open(path).path
    runs = results / "runs"
    ids = [entry.name for entry in runs.iterdir() if entry.is_dir()] if runs.is_dir() else []
    ids = [name for name in ids if not name.startswith(".")]
    if text in ids:
        return of_its_name(runs / text)
    ending = [name for name in ids if name.endswith(f"_{text}")]
    if len(ending) == 1:
        return of_its_name(runs / ending[0])
    if not ids:
        hint = "--out names another results folder, `seek train` makes a run"
        raise MissingSource(f"there is no run {text!r}: {runs} holds no runs ({hint})")
    raise MissingSource(str(unknown(f"run (under {runs})", text, ids)))


def of_its_name(folder: Path) -> Path:
    """The folder, which was asked for by its run id. Raises BadInput where it holds another run than that."""
    found = RunFolder(folder).readable_config()
    if found is not None and found.run_id not in (None, folder.name):
        raise BadInput(f"{folder} holds another run, {found.run_id}; to take that one, name it by this path")
    return folder


def config_of(run: RunSummary) -> RunConfig | None:
    """The config of a run, None where it has none that can be read."""
    found = run.folder.readable_config()
    return found.config if found else None


def read_named_run(key: str, run: RunSummary) -> tuple[RunConfig, RunStatus]:
    """Its config and status, whatever its state. Raises BadInput where one of them cannot be read."""
    config = config_of(run)
    if config is None or run.status is None:
        raise BadInput(f"{key}: {run.path} cannot be read: {run.problem or 'it has no readable config.json'}")
    return config, run.status


def require_finished(key: str, status: RunStatus, config: RunConfig) -> None:
    if status.state != "finished":
        done = records.done_in_words(status, config.train.steps)
        raise MissingSource(f"{key}: {status.run_id} is {status.state} after {done}; finish it first")


def differing_settings(wanted: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """`motivation.k 3, not 2`, for each setting that differs."""
    keys = sorted(key for key in wanted.keys() | theirs.keys() if wanted.get(key) != theirs.get(key))
    return [f"{key} {theirs.get(key)}, not {wanted.get(key)}" for key in keys]


def fitting_runs(
    runs: Sequence[RunSummary], wanted: dict[str, Any], key_of: Callable[[RunConfig], dict[str, Any] | None]
) -> tuple[list[RunSummary], str]:
    """The runs whose `key_of` is `wanted` (None: never), and of the others what keeps the nearest one from it."""
    fitting: list[RunSummary] = []
    nearest = (10**9, "")
    for run in runs:
        config = config_of(run)
        theirs = key_of(config) if config is not None else None
        if theirs is None:
            continue
        if differing := differing_settings(wanted, theirs):
            nearest = min(nearest, (len(differing), f"; the nearest, {run.run_id}, has {differing[0]}"))
        else:
            fitting.append(run)
    return fitting, nearest[1]
