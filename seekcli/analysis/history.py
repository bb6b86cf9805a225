"""What happened over the epochs of a group's runs: one value an epoch, as mean and spread over seeds. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seekcli.analysis.groups import X_Y_M, Group
from seekcli.analysis.statistics import sample
from seekcli.method.cost_measures import motivated_share
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import Row
from seekcli.runs.scan import published_rows

# Run id -> its folder, or the published table that holds it.
Places = Mapping[str, Path]
# Run id -> its rows of the epoch table.
RowsByRun = Mapping[str, Sequence[Row]]
# A row of the epoch table -> the value that is shown; None where the row has none.
Value = Callable[[Row], float | None]


@dataclass(frozen=True)
class Point:
    """One epoch: the mean over `n` runs that have a value there, and the lowest and the highest of them."""

    epoch: int
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RunCurve:
    """The values of one run: (epoch, value)."""

    run_id: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Curve:
    """A group by epoch, and each run of it that has a value."""

    name: str
    points: tuple[Point, ...]
    runs: tuple[RunCurve, ...]


def epoch_rows(groups: Iterable[Group], places: Places) -> RowsByRun:
    """Of all runs of these groups, each table read once. Raises BadInput for a damaged one."""
    run_ids = {run_id for group in groups for run_id in group.run_ids}
    tables = {places[run_id] for run_id in run_ids if places[run_id].is_file()}
    rows = [row for path in tables for row in published_rows(path)]
    for run_id in run_ids:
        rows += [] if places[run_id].is_file() else RunFolder(places[run_id], run_id).epochs()
    found: dict[str, list[Row]] = {run_id: [] for run_id in run_ids}
    for row in rows:
        found.get(row["run_id"], []).append(row)
    return found


def curve_of(name: str, group: Group, rows_by_run: RowsByRun, value: Value) -> Curve:
    """The values of the group's model.

    A point is the mean of the same runs as any other: epochs that fewer of them have, of runs that are longer or are
    evaluated elsewhere, are in the curves of these runs alone.
    """
    by_epoch: dict[int, list[float]] = defaultdict(list)
    of_runs: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for run_id in group.run_ids:
        for row in rows_by_run[run_id]:
            found = value(row) if is_of(group, row) else None
            if found is not None:
                by_epoch[row["epoch"]].append(found)
                of_runs[run_id].append((row["epoch"], found))
    most = max(map(len, by_epoch.values()), default=0)
    points = (
        Point(epoch, len(values), sample(values).mean, min(values), max(values))
        for epoch, values in sorted(by_epoch.items())
        if len(values) == most
    )
    return Curve(name, tuple(points), tuple(RunCurve(run_id, tuple(sorted(of))) for run_id, of in of_runs.items()))


def is_of(group: Group, row: Row) -> bool:
    """A classic run has rows of its one model; of a run of both the group is one of the two."""
    if row["pair"] is None:
        return True
    return bool(row["role"] == ("motivated" if group.name == X_Y_M else "base"))


def share_of_epoch(row: Row) -> float:
    """Motivated steps over all steps of the epoch."""
    return motivated_share(row["motivated_steps"], row["base_steps"])
