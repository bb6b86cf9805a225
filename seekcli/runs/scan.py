"""Which runs there are: a scan over results folders, run folders and published tables, reading no more than it must."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from seekcli.errors import BadInput, MissingSource, NewerFile
from seekcli.runs.folder import RunFolder
from seekcli.runs.overlapped import overlapped
from seekcli.runs.records import (
    CHECKPOINTS,
    CLASSES,
    CONFIG,
    EPOCHS,
    NEWER,
    STATUS,
    STEPS,
    Row,
    RunStatus,
    read_epochs,
    totals_of,
)

# Tables beside that of the epochs in a folder of published findings, as `seek compare --tables` writes it.
NOT_OF_RUNS = (STEPS, CLASSES, "groups.parquet", "differences.parquet")
RUN_FILES = (STATUS, EPOCHS, STEPS, CHECKPOINTS)
RESUMABLE = "resumable: the same command goes on with it"
TRAIN_FIRST = ": name the folder that `seek train --out` was given, or make a run: `seek train` writes to results"
DEAD = f"dead, {RESUMABLE}"


@dataclass(frozen=True)
class RunSummary:
    """One run that a scan found: its status, or the problem that kept it from being read."""

    path: Path
    run_id: str
    status: RunStatus | None
    problem: str | None
    has_just_begun: bool = False  # nothing is recorded of it yet: its first step is not done
    is_interrupted: bool = False  # it says that it runs, or has just begun, and its process is gone
    is_newer: bool = False  # a later version of this program wrote its status

    @property
    def folder(self) -> RunFolder:
        """Where its files are. A published run has none: `path` is the table that it is in."""
        return RunFolder(self.path, self.run_id)

    @property
    def state(self) -> str:
        """That of the status; `interrupted` where its process was killed, `begun`, `newer` and `unreadable` without a
        status that can be read."""
        if self.is_interrupted:
            return "interrupted"
        if self.status is None:
            return "begun" if self.has_just_begun else NEWER if self.is_newer else "unreadable"
        return self.status.state

    @property
    def message(self) -> str | None:
        """What to know of a run that is not finished: why it is not, and whether the same command goes on with it."""
        said = self.problem if self.status is None else self.status.message
        if self.state not in ("interrupted", "stopped"):
            return said
        return "; ".join(filter(None, (said, DEAD if self.is_interrupted else RESUMABLE)))


def scan_runs(paths: Sequence[Path]) -> list[RunSummary]:
    """Every run at `paths`, in their order and by name within each, a run that two paths reach once.

    A path is a results folder, its runs/, one run folder, a folder of published findings (or all of them), or a parquet
    file of epochs, which may hold many runs. Reads status.json only, never a run's tables; of a folder that is not
    named after its status the config too. A run that cannot be read is a summary with its problem. Raises BadInput for
    a path that is missing or holds no run.
    """
    found: dict[tuple[str, str], RunSummary] = {}
    _real_folder.cache_clear()
    _real.cache_clear()
    for path in paths:
        summary = None
        for summary in _scan(path):
            found.setdefault((_real(summary.path), summary.run_id), summary)
        if summary is None:
            published = _visible(path / "published") if (path / "published").is_dir() else []
            hint = f"; published findings are read when they are named: {published[0].path}" if published else ""
            raise MissingSource(f"no runs in {path}{hint or TRAIN_FIRST}")
    return list(found.values())


@lru_cache(maxsize=10)
def _real(path: Path) -> str:
    """As `os.path.realpath`, which looks at every folder on the way: that of thousands of runs is the same."""
    if path.name in ("", "..") or path.is_symlink():
        return os.path.realpath(path)
    return os.path.join(_real_folder(path.parent), path.name)


@lru_cache(maxsize=100)
def _real_folder(path: Path) -> str:
    return os.path.realpath(path)


def _real_name(path: Path) -> str:
    return os.path.basename(_real(path))


def _scan(path: Path) -> Iterator[RunSummary]:
    if path.is_file():
        yield from _published(path)
    elif not path.is_dir():
        raise MissingSource(f"{path} does not exist{TRAIN_FIRST}")
    elif _is_run(path):
        yield from _summaries(path)
    elif (path / "runs").is_dir():
        yield from _scan_folder(path / "runs")
    else:
        yield from _scan_folder(path)


def _scan_folder(folder: Path) -> Iterator[RunSummary]:
    """The runs of a runs/ or published/ folder. In runs/ every folder is a run, even one that is still empty."""

    def found(entry: os.DirEntry[str]) -> list[RunSummary]:
        path = folder / entry.name
        if entry.is_file():
            return _summaries(path) if path.suffix == ".parquet" and path.name not in NOT_OF_RUNS else []
        if folder.name == "runs" or _is_run(path):
            return _summaries(path)
        return list(_scan(path)) if folder.name == "published" else []

    for summaries in overlapped(found, _visible(folder)):
        yield from summaries


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """By name. What lists a folder tells files from folders too: nobody has to look at each."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
        return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise BadInput(f"cannot read {folder}: {error.strerror}") from error


def _is_run(folder: Path) -> bool:
    return RunFolder(folder).holds_run


def _summaries(path: Path) -> list[RunSummary]:
    """The run of a folder or those of a published table; what cannot be read is a summary too."""
    folder = RunFolder(path)
    try:
        if path.suffix == ".parquet" and path.is_file():
            return _published(path)
        status = folder.status()
        dead = False
        if status.state == "running" and not folder.is_being_written:
            status = folder.status()  # it may have ended in between
            dead = status.state == "running"
        if status.run_id != _real_name(path) and not _confirms(folder, status.run_id):
            raise BadInput(f"{folder.status_path} belongs to another run, {status.run_id}")
    except BadInput as error:
        if not os.path.lexists(path):  # set aside in between
            return []
        begun = path.is_dir() and not any((path / name).exists() for name in RUN_FILES)
        if not begun and folder.status_path.exists() and str(error) == f"{folder.status_path} does not exist":
            return _summaries(path)  # written in between
        early = f"{folder.status_path} does not exist: nothing is recorded of this run yet"
        name, dead = _real_name(path), begun and not folder.is_being_written
        newer = isinstance(error, NewerFile)
        return [RunSummary(path, name, None, early if begun else str(error), begun and not dead, dead, newer)]
    return [RunSummary(path, status.run_id, status, None, is_interrupted=dead)]


def _confirms(folder: RunFolder, run_id: str) -> bool:
    """Whether config.json says the same of a folder under another name: that of an older program names no run."""
    found = folder.readable_config()
    return found is not None and found.run_id in (None, run_id)


def published_rows(table: Path) -> list[Row]:
    """The epoch rows of a published table: of any number of runs, which are finished."""
    return read_epochs(table)


def _published(path: Path) -> list[RunSummary]:
    """The runs of a published table, which are finished ones."""
    rows_of: dict[str, list[Row]] = {}
    for row in published_rows(path):
        rows_of.setdefault(row["run_id"], []).append(row)
    return [RunSummary(path, run_id, _status_from(run_id, rows), None) for run_id, rows in sorted(rows_of.items())]


def _batches(row: Row) -> int:
    """Of the row's epoch: the base of a growing run takes every one of them."""
    return int(row["base_steps"] + (0 if row["schedule"] == "grow" else row["motivated_steps"]))


def _status_from(run_id: str, rows: list[Row]) -> RunStatus:
    totals = totals_of(rows)
    last = max(row["epoch"] for row in rows)
    final = [row for row in rows if row["epoch"] == last]
    return RunStatus(
        run_id=run_id,
        state="finished",
        epochs_done=last,
        epochs=last,
        final=final,
        totals=totals,
        expected_share=None,
        steps_done=sum(map(_batches, {row["epoch"]: row for row in rows}.values())),
        steps_per_epoch=max(map(_batches, rows)),
        models={row["role"]: row["model"] for row in final},
    )


def recorded_runs(results: Path, begins: str = "") -> list[RunFolder]:
    """The run folders of a results folder that have a config, by name; of those, whose name begins like this."""
    return [RunFolder(path.parent) for path in sorted((results / "runs").glob(f"{begins}*/{CONFIG}"))]
