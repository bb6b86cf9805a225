"""Points that no run is begun of: their settings are refused, or their data was when the grid was run last.

Nothing of such a run is kept, so that its cause stands in refused/ of the results folder, until it begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from seekcli import files
from seekcli.config.schema import RunConfig
from seekcli.documents import SCHEMA_VERSION, read_document, write_document
from seekcli.errors import BadInput, MissingSource
from seekcli.resolve.short_epochs import require_several_steps
from seekcli.runs.folder import RunFolder

FOLDER = "refused"


class Refusals:
    """Why points of a plan are refused; settings that differ in the seed alone are judged once."""

    def __init__(self, results: Path) -> None:
        self.folder = results / FOLDER
        self.by_settings: dict[str, str | None] = {}
        self.recorded: frozenset[str] = frozenset()
        self.look()

    def look(self) -> None:
        """See what was recorded since."""
        try:
            self.recorded = frozenset(os.listdir(self.folder))
        except OSError:
            self.recorded = frozenset()

    def of(self, run_id: str, config: RunConfig) -> str | None:
        """In one line; None for a point that can be begun, as far as is known."""
        words = repr((config.schedule, config.runtime.force, config.data, config.train))
        if words not in self.by_settings:
            self.by_settings[words] = refused_ahead(config)
        if (ahead := self.by_settings[words]) is not None or f"{run_id}.json" not in self.recorded:
            return ahead
        with suppress(BadInput, KeyError, TypeError):  # a damaged one says nothing
            return f"{read_document(self.folder / f'{run_id}.json')['cause']} (when it was run last)"
        return None


def refused_ahead(config: RunConfig) -> str | None:
    """What `seek train` would refuse these settings for, without a look at the data itself."""
    try:
        require_several_steps(config)
    except MissingSource:
        return None
    except BadInput as error:
        return str(error)
    return None


def refuse_ahead(runs: Iterable[RunConfig], results: Path, fresh: bool = False) -> None:
    """Raise BadInput, before any of them is trained, where one that is new could not begin."""
    for config in runs:
        is_new = fresh or RunFolder.of(results, config).standing_or_damage()[0] == "new"
        if is_new and (cause := refused_ahead(config)) is not None:
            raise BadInput(cause)


def record_refusals(results: Path, causes: Iterable[tuple[str, str | None]]) -> None:
    """Keep why each of these runs (by id) was refused; None for one that was not.

    Of a results folder that is not there nothing is kept: what was refused alone leaves nothing behind.
    """
    before = Refusals(results)
    for run_id, cause in causes if results.is_dir() else ():
        path = before.folder / f"{run_id}.json"
        if cause is not None:
            write_document(path, {"schema_version": SCHEMA_VERSION, "run_id": run_id, "cause": cause})
        elif path.name in before.recorded:
            files.remove(path)
