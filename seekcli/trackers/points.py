"""From the recorded rows of a run to the points that trackers are given. Nothing is computed that is not recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seekcli.runs.column_meanings import EPOCH_COLUMNS, Of
from seekcli.runs.records import Row, totals_of
from seekcli.trackers.tracker import Point

# Stands in every point: by it a tracker tells how far it has come.
EVERY_STEP = "step/learning_rate"


def points_of(rows: Sequence[Row], steps: Mapping[str, Sequence[Any]], epochs_before: int = 0) -> list[Point]:
    """A point for each step of `steps`, columns of the step table; the last of an epoch has what its rows say too.

    `rows` are those of all epochs, of which the first `epochs_before` are in the totals alone.
    """
    values: defaultdict[int, dict[str, float]] = defaultdict(dict)
    last_steps: dict[int, int] = {}
    columns = (steps[name] for name in ("epoch", "step", "role", "loss", "learning_rate"))
    for epoch, step, role, loss, learning_rate in zip(*columns, strict=True):
        values[step] |= {f"step/{role}_loss": loss, EVERY_STEP: learning_rate}
        last_steps[epoch] = step
    for epoch, step in last_steps.items():
        if epoch > epochs_before:
            values[step] |= dict(epoch_values([row for row in rows if row["epoch"] == epoch]))
            totals = totals_of([row for row in rows if row["epoch"] <= epoch])
            values[step] |= {f"total/{name}": value for name, value in totals.items()}
    return [Point(step, found) for step, found in sorted(values.items())]


def epoch_values(rows: Sequence[Row]) -> Iterator[tuple[str, float]]:
    """`base/test_accuracy_percent` of what is of a role, `epoch/switches` of what both share; numbers alone."""
    for row in rows:
        for name, value in row.items():
            of = EPOCH_COLUMNS[name].of
            if of is not Of.RUN and isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{row['role'] if of is Of.ROLE else 'epoch'}/{name}", value
