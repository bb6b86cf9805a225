"""Runs that an earlier program made in its own way: found under the ids that they have, and never given new numbers.

A run over a folder that was known by its names and sizes (`data.rules` 1) goes on, or is done, by the rules that it was
begun with. It is taken for the run that is asked for unless its record shows that the contents are others.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from seekcli.config.identity import older_twins, run_id, run_key
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.data.sets.identity import ImageFile
from seekcli.data.sets.listings import fingerprint_of, folder_of, is_folder, listing_of
from seekcli.errors import BadInput
from seekcli.runs.config_file import ConfigFile
from seekcli.runs.data_contents import same_contents
from seekcli.runs.folder import RunFolder

RECORDED_BY_RULES_1 = "recorded by rules 1"
OTHER_IMAGES = "was made of other images under these names and sizes"
CHANGED_SINCE = "files of its folder were written after it began"
# All that may differ between a run by names and sizes and the same one by contents.
RULES_KEYS = frozenset({"data.rules", "data.fingerprint", "data.whole_digest", "data.grey_bits"})


def twins(config: RunConfig) -> Iterator[tuple[RunConfig, dict[str, Any]]]:
    """`older_twins` with the fingerprint that a folder had by the rules of then."""
    old: str | None = None
    for twin, values in older_twins(config):
        if "data.rules" not in values or not is_folder(config.data):
            yield twin, values
            continue
        try:
            old = old or fingerprint_of(twin.data)
        except BadInput:  # no folder of images by those rules
            return
        yield twin.model_copy(update={"data": twin.data.model_copy(update={"fingerprint": old})}), values


def run_of_old_rules(resolved: Resolved, results: Path) -> Resolved:
    """The same run by `data.rules` 1 where results hold it and not the one that is asked for; else `resolved`."""
    config = resolved.config
    automatic = resolved.origins.get("data.rules") == "auto" and is_folder(config.data)
    if not automatic or is_recorded(config, results) or not (results / "runs").is_dir():
        return resolved
    for twin, _ in twins_by_rules_alone(config):
        if is_recorded(twin, results) and why_not_the_same(config, RunFolder.of(results, twin)) is None:
            values = {f"data.{name}": getattr(twin.data, name) for name in ("rules", "fingerprint", "grey_bits")}
            return resolved.updated(values, RECORDED_BY_RULES_1)
    return resolved


def twins_by_rules_alone(config: RunConfig) -> Iterator[tuple[RunConfig, dict[str, Any]]]:
    """The twins by rules 1 that differ from `config` in nothing but how the folder is read."""
    own = run_key(config)
    for twin, values in twins(config):
        other = run_key(twin)
        if (
            twin.data.rules == 1
            and {key for key in own.keys() | other.keys() if own.get(key) != other.get(key)} <= RULES_KEYS
        ):
            yield twin, values


def old_rules_note(resolved: Resolved, results: Path) -> str | None:
    """What to know of a run over a folder that is known by names and sizes alone."""
    config = resolved.config
    if config.data.rules != 1 or not is_folder(config.data):
        return None
    how = "`--set data.rules=2` makes a run that knows the folder by its contents"
    if resolved.origins.get("data.rules") == RECORDED_BY_RULES_1:
        made = f"an earlier version of seek made {run_id(config)} and knew this folder by names and sizes alone"
        how = f"The run keeps its rules and its numbers; {how}"
    else:
        made = "by data.rules 1 this folder is known by names and sizes alone"
    return f"{made}: {what_is_known(config, results)}. {how}"


def what_is_known(config: RunConfig, results: Path) -> str:
    """What the record of a run by rules 1 can prove of the contents of its folder."""
    stored = RunFolder.of(results, config).readable_config()
    if stored is None:
        return "its id does not tell other pixels under them"
    if same_contents(stored, config.data):
        return "the contents that it recorded beside them are those that lie there now"
    touched = touched_since(config, stored)
    since = f", and {touched:,} of its files were touched or replaced since the run began" if touched else ""
    return f"other pixels under them would not be noticed{since}"


def foreign_names(results: Path, own: Collection[str]) -> list[str]:
    """Names of runs in a results folder that are none of one's own."""
    runs = results / "runs"
    return sorted(set(os.listdir(runs)) - set(own)) if runs.is_dir() else []


def may_have_older_twin(config: RunConfig, names: Sequence[str]) -> bool:
    """Whether one of these runs is of the same models, data and seed: there are many twins to look for."""
    if not names:
        return False
    words = run_id(config).split("_")
    begins, seed = f"{words[0]}_{words[1]}_", f"_{words[-2]}_"
    return any(name.startswith(begins) and seed in name for name in names)


def older_twin_note(results: Path, resolved: Resolved) -> str | None:
    """Where a run is new and an earlier program has made it in its own way: say so, and how to go on with that one."""
    config = resolved.config
    if not may_have_older_twin(config, foreign_names(results, [run_id(config)])):
        return None
    for twin, values in twins(config):
        if is_recorded(twin, results):
            words = " ".join(f"--set {key}={as_assigned(value)}" for key, value in values.items())
            by_rules = "data.rules" in values and is_folder(config.data)
            other = why_not_the_same(config, RunFolder.of(results, twin)) if by_rules else None
            if other == OTHER_IMAGES:
                return f"{run_id(twin)} {OTHER_IMAGES}: this is another run"
            made = f"an earlier version of seek made this run as {run_id(twin)}"
            if other is not None:
                return f"{made}, but {other}: `{words}` goes on with that one where the images are the same"
            return f"{made}; `{words}` goes on with that one"
    return None


def as_assigned(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def is_recorded(config: RunConfig, results: Path) -> bool:
    return RunFolder.of(results, config).has_config


def why_not_the_same(config: RunConfig, recorded: RunFolder) -> str | None:
    """Why the recorded run is not of the contents that the folder has now, as far as can be told; None where it may be.

    What it recorded of its contents decides. Where it did not: its own folder, where it still is another one, is read;
    in the folder itself nothing may have changed since the run began. Of a folder that is gone nothing is known, and
    the run is taken.
    """
    stored = recorded.readable_config()
    if stored is None:
        return None
    if (same := same_contents(stored, config.data)) is not None:
        return None if same else OTHER_IMAGES
    now, then = Path(config.data.dir or ""), Path(stored.config.data.dir or "")
    if not then.is_dir():
        return None
    if now.samefile(then):
        return CHANGED_SINCE if changed_since(config, begun_ns(stored)) else None
    try:
        of_then = fingerprint_of(config.data.model_copy(update={"dir": str(then)}))
    except BadInput:
        return None
    return None if of_then == config.data.fingerprint else OTHER_IMAGES


def begun_ns(stored: ConfigFile) -> int:
    """The config is written once, when a run begins."""
    return stored.path.stat().st_mtime_ns


def changed_since(config: RunConfig, moment_ns: int) -> bool:
    """Whether a file or a folder of the data was modified after that moment."""
    files, root = files_of(config), folder_of(config.data)
    folders = {path.parent for file in files for path in [root / file.path]}
    folders |= {parent for folder in folders for parent in folder.parents if root in (parent, *parent.parents)}
    times = [file.modified_ns for file in files]
    return max([*times, *(folder.stat().st_mtime_ns for folder in folders)]) > moment_ns


def touched_since(config: RunConfig, stored: ConfigFile) -> int:
    """How many files of the run's own folder the system changed in any way after it began: a copy that keeps times too.

    That is no proof of other pixels, so it is only said.
    """
    then = Path(stored.config.data.dir or "")
    if not then.is_dir() or not folder_of(config.data).samefile(then):
        return 0
    moment_ns = begun_ns(stored)
    return sum(file.changed_ns > moment_ns for file in files_of(config))


def files_of(config: RunConfig) -> tuple[ImageFile, ...]:
    """Every file of the data, those of a streamed tree that its identity does not read too."""
    streamed = {"whole_digest": True} if config.data.is_streamed and config.data.rules >= 2 else {}
    listing = listing_of(config.data.model_copy(update=streamed))
    assert listing is not None
    return listing.files_to_read
