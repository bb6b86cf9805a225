"""Accuracy by class: an arm's model against its baseline, paired by seed. No word follows: there are many classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from seekcli.analysis.groups import Group
from seekcli.analysis.history import is_of
from seekcli.analysis.statistics import Sample, sample
from seekcli.errors import BadInput
from seekcli.runs.step_tables import StepTables

# What to do about a damaged table of one run among many: refuse, or tell of it and leave the run out.
Damaged = Callable[[BadInput], object]


def refused(error: BadInput) -> None:
    raise error


@dataclass(frozen=True)
class ClassDifference:
    """`left - right` in accuracy points of one class, over common seeds."""

    class_name: str
    found: Sample


def class_differences(
    left: Group, right: Group, tables: StepTables, damaged: Damaged = refused
) -> list[ClassDifference]:
    """On the test images; empty where one side has no table of classes. A damaged table is left to `damaged`."""
    by_name: dict[str, list[float]] = defaultdict(list)
    ours, theirs = _by_seed(left, tables, damaged), _by_seed(right, tables, damaged)
    for seed in ours.keys() & theirs.keys():
        for name, percent in ours[seed].items():
            if name in theirs[seed]:
                by_name[name].append(percent - theirs[seed][name])
    return [ClassDifference(name, sample(values)) for name, values in by_name.items()]


def _by_seed(group: Group, tables: StepTables, damaged: Damaged) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for seed, run_id in group.run_by_seed.items():
        if not tables.has_classes(run_id):
            continue
        try:
            classes = tables.classes(run_id)
        except BadInput as error:
            damaged(error)
            continue
        rows = [row for row in classes if row["split"] == "test" and _of_model(group, row)]
        found[seed] = {
            row["class_name"]: row["accuracy_percent"] for row in rows if row["accuracy_percent"] is not None
        }
    return found


def _of_model(group: Group, row: dict[str, object]) -> bool:
    """The table of classes knows the role alone; a classic group has one role in it."""
    return group.arm is None or group.name.endswith("=") or is_of(group, {**row, "pair": "of both"})
