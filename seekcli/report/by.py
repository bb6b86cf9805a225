"""`seek compare --by KEY`: one table, sorted by the value of a setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seekcli import plain_data
from seekcli.analysis.by import ArmBy, Part
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import Accuracy, Group
from seekcli.report import tables, wording
from seekcli.report.data import accuracy_of, difference_numbers, means_of
from seekcli.report.tables import Column, Table, TableRow

BY_FORMAT = 1
LEGEND = (
    "Each model against the same model trained alone, over common seeds; words and corrections are those of the whole "
    "report, which this sorts. cost: training FLOPs of the run of both models over those of base alone."
)


def by_table(parts: Sequence[Part]) -> Table:
    """A heading for each value, and two rows an arm: its base and its larger model."""
    titles = {tables.cell_title(one.cell) for part in parts for one in part.arms}
    alike = len({id(one.cell) for part in parts for one in part.arms}) > 1
    metric = parts[0].arms[0].cell.metric
    columns = (
        Column("model and motivation", numeric=False),
        Column("n"),
        Column(wording.metric_header(metric)),
        Column(f"{metric.unit} [95% interval]"),
        Column("word", numeric=False),
        Column("cost"),
    )
    rows: list[TableRow] = []
    for part in parts:
        rows.append(TableRow((wording.settings(dict(part.values)),), heading=True))
        for one in part.arms:
            name = f"{_cell_name(one, len(titles) > 1)}, {one.arm.label}" if alike else one.arm.label
            rows.append(_row(f"base: {name}", one, one.arm.base, one.base))
            rows.append(_row(f"larger: {name}", one, one.arm.motivated, one.larger))
    keys = ", ".join(key for key, _ in parts[0].values)
    return Table(f"By {keys}: each model of a run of both against the same model alone", columns, tuple(rows))


def _cell_name(one: ArmBy, with_title: bool) -> str:
    marks = wording.settings({key: value for key, value in one.cell.marks.items() if key not in tables.PLAIN_SETTINGS})
    return " ".join(filter(None, (tables.cell_title(one.cell) if with_title else "", marks)))


def _row(name: str, one: ArmBy, group: Group, found: Contrast | None) -> TableRow:
    again = found is not None and found.accuracy is Accuracy.RECALIBRATED
    base_alone = one.cell.x_c
    cost = None if base_alone is None else group.cost.train_flops.mean / base_alone.cost.train_flops.mean
    return TableRow((
        f" {name}{', re-estimated' if again else ''}",
        str(group.final.n if found is None else found.difference.n),
        wording.final(group, recalibrated=again),
        wording.NOT_AVAILABLE if found is None else wording.contrast_points(found),
        wording.NOT_AVAILABLE if found is None else wording.verdict(found.verdict),
        wording.NOT_AVAILABLE if cost is None else f"{cost:.2f}",
    ))  # fmt: skip


def by_json(parts: Sequence[Part]) -> str:
    metric = parts[0].arms[0].cell.metric.column
    return plain_data.json_text({"format_version": BY_FORMAT, "metric": metric, "rows": by_rows(parts)}, indent=2)


def by_rows(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """One row an arm and model, with the settings it is sorted by."""
    return [
        {
            **dict(part.values),
            "pair": one.cell.pair,
            "data": one.cell.settings.data,
            "settings_worth_naming": wording.settings(one.cell.marks),
            "arm": one.arm.label,
            "group": group.name,
            "n": group.final.n,
            **means_of(group),
            "train_flops_per_run_mean": group.cost.train_flops.mean,
            "difference_accuracy": None if found is None else accuracy_of(found),
            **difference_numbers(found, one.cell.metric),
        }
        for part in parts
        for one in part.arms
        for group, found in ((one.arm.base, one.base), (one.arm.motivated, one.larger))
    ]
