"""What happened over the epochs of a group's runs: one value an epoch, as mean and spread over seeds. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seekcli.analysis.groups import X_Y_M, Group
from seekcli.analysis.statistics import sample
from seekcli.method.cost_measures import motivated_share
from seekcli.runs.records import EPOCHS, Row, read_epochs

# Run id -> its folder, or the published table that holds it.
Places = Mapping[str, Path]
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
class Curve:
    name: str
    points: tuple[Point, ...]


def epoch_rows(places: Places, run_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Run id -> its rows, in the order of epochs. Raises BadInput for a damaged table."""
    found: dict[str, list[Row]] = {}
    for run_id in run_ids:
        path = places[run_id]
        rows = read_epochs(path) if path.is_file() else read_epochs(path / EPOCHS, run_id)
        found[run_id] = sorted((row for row in rows if row["run_id"] == run_id), key=lambda row: row["epoch"])
    return found


def curve_of(name: str, group: Group, rows_by_run: Mapping[str, Sequence[Row]], value: Value) -> Curve:
    """The values of the group's model; epochs in which no run has one are left out."""
    by_epoch: dict[int, list[float]] = defaultdict(list)
    for run_id in group.run_ids:
        for row in rows_by_run[run_id]:
            found = value(row) if is_of(group, row) else None
            if found is not None:
                by_epoch[row["epoch"]].append(found)
    points = (
        Point(epoch, len(values), sample(values).mean, min(values), max(values))
        for epoch, values in sorted(by_epoch.items())
    )
    return Curve(name, tuple(points))


def is_of(group: Group, row: Row) -> bool:
    """A classic run has rows of its one model; of a run of both the group is one of the two."""
    if row["pair"] is None:
        return True
    return bool(row["role"] == ("motivated" if group.name == X_Y_M else "base"))


def share_of_epoch(row: Row) -> float:
    """Motivated steps over all steps of the epoch."""
    return motivated_share(row["motivated_steps"], row["base_steps"])
