"""Runs that an earlier program made in its own way: found under the ids that they have, and never given new numbers.

A run over a folder that was known by its names and sizes (`data.rules` 1) goes on, or is done, by the rules that it was
begun with. It is taken for the run that is asked for unless its record shows that the contents are others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seekcli.config.identity import identity, older_twins, run_id
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.data.sets.listings import fingerprint_of, is_folder, listing_of
from seekcli.errors import BadInput
from seekcli.runs import records
from seekcli.runs.config_file import read_config

RECORDED = "recorded by rules 1"
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
        if is_recorded(twin, results) and not contents_differ(config, record_path(twin, results)):
            values = {f"data.{name}": getattr(twin.data, name) for name in ("rules", "fingerprint", "grey_bits")}
            return resolved.updated(values, RECORDED)
    return resolved


def twins_by_rules_alone(config: RunConfig) -> Iterator[tuple[RunConfig, dict[str, Any]]]:
    """The twins by rules 1 that differ from `config` in nothing but how the folder is read."""
    own = identity(config)
    for twin, values in twins(config):
        other = identity(twin)
        if (
            twin.data.rules == 1
            and {key for key in own.keys() | other.keys() if own.get(key) != other.get(key)} <= RULES_KEYS
        ):
            yield twin, values


def old_rules_note(resolved: Resolved) -> str | None:
    """What to know of a run that goes on by the rules that it was begun with."""
    if resolved.origins.get("data.rules") != RECORDED:
        return None
    return (
        f"an earlier version of seek made {run_id(resolved.config)} and knew this folder by names and sizes alone: "
        "other pixels under them would not be noticed. The run keeps its rules and its numbers; "
        "`--set data.rules=2` makes a run that knows the folder by its contents"
    )


def older_twin_note(results: Path, resolved: Resolved) -> str | None:
    """Where a run is new and an earlier program has made it in its own way: say so, and how to go on with that one."""
    for twin, values in twins(resolved.config):
        if is_recorded(twin, results):
            words = " ".join(f"--set {key}={as_assigned(value)}" for key, value in values.items())
            return f"an earlier version of seek made this run as {run_id(twin)}; `{words}` goes on with that one"
    return None


def as_assigned(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def record_path(config: RunConfig, results: Path) -> Path:
    return results / "runs" / run_id(config) / records.CONFIG


def is_recorded(config: RunConfig, results: Path) -> bool:
    return record_path(config, results).exists()


def contents_differ(config: RunConfig, record: Path) -> bool:
    """Whether the recorded run was surely made of other contents than those that the folder has now.

    Its own folder, where it still is another one, is read; in the folder itself nothing may have changed since the run
    began. Of a folder that is gone nothing is known, and the run is taken.
    """
    try:
        data = read_config(record.parent).config.data
        begun_ns = record.stat().st_mtime_ns
    except (BadInput, OSError):
        return False
    now, then = Path(config.data.dir or ""), Path(data.dir or "")
    if not then.is_dir():
        return False
    if now.samefile(then):
        return changed_since(config, begun_ns)
    try:
        return fingerprint_of(config.data.model_copy(update={"dir": str(then)})) != config.data.fingerprint
    except BadInput:
        return False


def changed_since(config: RunConfig, moment_ns: int) -> bool:
    """Whether a file or a folder of the data was modified after that moment."""
    listing = listing_of(config.data)
    assert listing is not None
    folders = {path.parent for file in listing.files_to_read for path in [listing.root / file.path]}
    folders |= {parent for folder in folders for parent in folder.parents if listing.root in (parent, *parent.parents)}
    times = [file.modified_ns for file in listing.files_to_read]
    return max([*times, *(folder.stat().st_mtime_ns for folder in folders)]) > moment_ns
