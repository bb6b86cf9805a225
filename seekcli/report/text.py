"""A comparison as markdown (for a README or an issue), JSON and CSV (for programs: full precision, null is undefined).

Units are in the names of keys and columns; `_percent` accuracies, `_points` differences of them, `_share` 0 to 1.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from seekcli.analysis.comparison import Arm, Cell, Comparison, Cost, Group
from seekcli.analysis.runs import LeftOut
from seekcli.analysis.statistics import PairedDifference
from seekcli.report import tables, wording
from seekcli.report.tables import Table

FORMAT_VERSION = 1
DIFFERENCE_NUMBERS = ("mean_points", "sd_points", "low_points", "high_points", "p_value", "statement", "seeds_needed")
ARM_NUMBERS = (
    "observed_share_mean",
    "observed_share_low",
    "observed_share_high",
    "expected_share",
    "expected_share_inside_interval",
    "f_x_macs_per_image",
    "f_xy_macs_per_image",
    "f_y_macs_per_image",
    "gain_x_y_b_points",
    "gain_y_c_points",
    "acc_per_flops_x_y_b_points_per_mega_mac",
    "acc_per_flops_y_c_points_per_mega_mac",
    "acc_f_ratio",
    "acc_f_ratio_remark",
)


def markdown_text(comparison: Comparison) -> str:
    lines = [tables.counts(comparison), ""]
    for cell in comparison.cells:
        lines += [f"## {tables.cell_title(cell)}", "", tables.cell_settings(cell), ""]
        for table in tables.cell_tables(cell):
            lines += [f"**{table.title}**", "", *_markdown_table(table), ""]
        lines += _markdown_list("", tables.cell_notes(cell))
    lines += _markdown_list("## Notes", list(comparison.notes))
    lines += _markdown_list("## Not counted", [tables.left_out_line(entry) for entry in comparison.left_out])
    lines += _markdown_list("## How to read this", tables.legend(comparison))
    return "\n".join(lines).rstrip() + "\n"


def _markdown_list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [*([title, ""] if title else []), *(f"- {item}" for item in items), ""]


def _markdown_table(table: Table) -> list[str]:
    lines = ["| " + " | ".join(column.header for column in table.columns) + " |"]
    lines.append("|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|")
    for row in table.rows:
        cells = [*row.cells, *[""] * (len(table.columns) - len(row.cells))]
        first = f"*{cells[0]}*" if row.heading else cells[0].strip()
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in [first, *cells[1:]]) + " |")
    return lines


def json_text(comparison: Comparison) -> str:
    return json.dumps(as_data(comparison), indent=2, allow_nan=False, ensure_ascii=False)


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data; every number that the tables show, unrounded."""
    return {
        "format_version": FORMAT_VERSION,
        "runs_found": comparison.runs_found,
        "runs_finished": comparison.runs_finished,
        "cells": [_cell_data(cell) for cell in comparison.cells],
        "not_counted": [_left_out_data(entry) for entry in comparison.left_out],
        "notes": list(comparison.notes),
    }


def _left_out_data(entry: LeftOut) -> dict[str, Any]:
    return {"run_id": entry.run_id, "path": str(entry.path), "state": entry.state, "reason": entry.reason}


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {
        "pair": cell.pair,
        "base_model": cell.base,
        "motivated_model": cell.motivated,
        "data": cell.settings.data,
        "settings": dict(cell.settings.common),
        "settings_from_config": cell.settings.from_config,
        "settings_worth_naming": dict(cell.marks),
        "groups": [_group_data(group) for group in cell.groups],
        "paired_differences": [_difference_data(label, difference) for label, difference in cell.differences],
        "arms": [_arm_data(arm) for arm in cell.arms],
        "notes": list(cell.notes),
    }


def _group_data(group: Group) -> dict[str, Any]:
    return {
        "group": group.name,
        "model": group.model,
        "arm": group.arm,
        **_arm_settings(group),
        "n": group.accuracy.n,
        "seeds": list(group.seeds),
        "run_ids": list(group.run_ids),
        "test_accuracy_percent_by_seed": {str(seed): value for seed, value in group.accuracy_by_seed.items()},
        "test_accuracy_percent_mean": group.accuracy.mean,
        "test_accuracy_percent_sd": group.accuracy.sd,
        "forward_macs_per_image": group.forward_macs_per_image,
        **_cost_data(group.cost),
    }


def _arm_settings(group: Group) -> dict[str, Any]:
    arm = group.settings.arm
    return {
        "condition": arm.get("motivation.condition"),
        "k": arm.get("motivation.k"),
        "init": arm.get("pair.init"),
        "map": arm.get("pair.map"),
    }


def _cost_data(cost: Cost) -> dict[str, Any]:
    return {
        "train_flops_per_run_mean": cost.train_flops.mean,
        "evaluation_flops_per_run_mean": cost.evaluation_flops.mean,
        "condition_flops_per_run_mean": cost.condition_flops.mean,
        "copied_bytes_per_run_mean": cost.copied_bytes.mean,
        "wall_seconds_per_run_mean": cost.epoch_seconds.mean,
        "wall_seconds_per_run_sd": cost.epoch_seconds.sd,
    }


def _difference_data(label: str | None, difference: PairedDifference) -> dict[str, Any]:
    return {
        "arm": label,
        "left": difference.left,
        "right": difference.right,
        "n": len(difference.seeds),
        "seeds": list(difference.seeds),
        **_difference_numbers(difference),
    }


def _difference_numbers(difference: PairedDifference | None) -> dict[str, Any]:
    if difference is None:
        return dict.fromkeys(DIFFERENCE_NUMBERS)
    interval = difference.interval
    numbers = (
        difference.mean,
        difference.sd,
        interval.low if interval else None,
        interval.high if interval else None,
        difference.p_value,
        difference.verdict,
        difference.seeds_needed,
    )
    return dict(zip(DIFFERENCE_NUMBERS, numbers, strict=True))


def _arm_data(arm: Arm) -> dict[str, Any]:
    return {"arm": arm.label, **_arm_settings(arm.base), **_arm_numbers(arm)}


def _arm_numbers(arm: Arm | None) -> dict[str, Any]:
    """Share, cost and efficiency of an arm; the same keys with None for a group that belongs to none."""
    if arm is None:
        return dict.fromkeys(ARM_NUMBERS)
    measures, observed = arm.efficiency, arm.share.observed
    numbers = (
        observed.mean,
        observed.interval.low if observed.interval else None,
        observed.interval.high if observed.interval else None,
        arm.share.expected,
        arm.share.expected_inside,
        measures.f_x_macs_per_image,
        measures.f_xy_macs_per_image,
        measures.f_y_macs_per_image,
        measures.gain_x_y_b_points,
        measures.gain_y_c_points,
        measures.acc_per_flops_x_y_b,
        measures.acc_per_flops_y_c,
        measures.acc_f_ratio,
        measures.ratio_remark,
    )
    return dict(zip(ARM_NUMBERS, numbers, strict=True))


def csv_text(comparison: Comparison) -> str:
    """One line per group. Runs that are in no group do not fit here: the command names them on stderr."""
    rows = [_csv_row(cell, group) for cell in comparison.cells for group in cell.groups]
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_row(cell: Cell, group: Group) -> dict[str, Any]:
    common = cell.settings.common
    data = _group_data(group)
    arm = next((arm for arm in cell.arms if group in (arm.base, arm.motivated)), None)
    found = {d.right: d for label, d in cell.differences if label == group.arm and d.left == group.name}
    return {
        "pair": cell.pair,
        "data": cell.settings.data,
        "recipe": common.get("recipe"),
        "epochs": common.get("train.epochs"),
        "batch_size": common.get("train.batch_size"),
        "precision": common.get("runtime.precision"),
        "device_type": common.get("runtime.device"),
        "settings_worth_naming": wording.settings(cell.marks),
        **{key: value for key, value in data.items() if not isinstance(value, list | dict)},
        "seeds": " ".join(map(str, group.seeds)),
        "run_ids": " ".join(group.run_ids),
        **{f"minus_x_c_{key}": value for key, value in _difference_numbers(found.get("X-C")).items()},
        **{f"minus_y_c_{key}": value for key, value in _difference_numbers(found.get("Y-C")).items()},
        **_arm_numbers(arm),
    }
