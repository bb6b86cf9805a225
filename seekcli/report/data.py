"""A comparison as plain data for programs: full precision, null for what is undefined.

Units are in the names of keys; `_percent` accuracies, `_points` differences of them, `_share` 0 to 1. Of another
metric than accuracy its unit (`_nats`) stands for `points`. Under another
convention than MACs, `macs` in a key becomes `paper_flops`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seekcli.analysis.comparison import MACS, Cell, Comparison
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import Arm, Cost, Group
from seekcli.analysis.left_out import LeftOut
from seekcli.analysis.metrics import ACCURACY, Metric, scale_of
from seekcli.analysis.prices import prices
from seekcli.analysis.statistics import Interval, Sample

# 2: words follow corrected p values, "seeds_needed" is gone, a statement may be null.
COMPARISON_FORMAT = 2
DIFFERENCE_KEYS = (
    "mean_points",
    "sd_points",
    "low_points",
    "high_points",
    "p_value",
    "p_value_adjusted",
    "equivalence_margin_points",
    "equivalence_p_value_adjusted",
    "statement",
    "no_statement",
)
ARM_KEYS = (
    "observed_share_mean",
    "observed_share_low",
    "observed_share_high",
    "expected_share",
    "expected_share_basis",
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
    "added_blocks_usage_ratio_mean",
    "answers_differ_percent_mean",
    "base_accuracy_where_differ_percent_mean",
    "motivated_accuracy_where_differ_percent_mean",
)
PRECISION_KEYS = (
    "effect_points",
    "sd_low_points",
    "sd_high_points",
    "seeds_for_effect",
    "seeds_for_effect_low",
    "seeds_for_effect_high",
    "smallest_difference_points",
)


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Every number that the tables show, unrounded, and the checks that no word follows."""
    options = comparison.options
    return {
        "format_version": COMPARISON_FORMAT,
        "runs_found": comparison.runs_found,
        "runs_finished": comparison.runs_finished,
        "metric": comparison.metrics[0].column if len(comparison.metrics) == 1 else None,
        **asked_scale(comparison),
        "convention": options.convention,
        "cells": [_cell_data(cell) for cell in comparison.cells],
        "not_counted": [_left_out_data(entry) for entry in comparison.left_out],
        "notes": list(comparison.notes),
    }


def asked_scale(comparison: Comparison) -> dict[str, float | None]:
    """The margin and the effect of all cells; of metrics without a number of their own see the differences."""
    options = comparison.options
    nothing = scale_of(ACCURACY, None, options.margin, options.effect)
    known = [cell.scale for cell in comparison.cells] or [nothing]
    scales = {(scale.metric.unit_key, scale.margin, scale.effect) for scale in known}
    if len(scales) > 1:
        return {"margin": options.margin, "effect": options.effect}
    [(unit, margin, effect)] = scales
    return {f"margin_{unit}": margin, f"effect_{unit}": effect}


def _left_out_data(entry: LeftOut) -> dict[str, Any]:
    return {"run_id": entry.run_id, "path": str(entry.path), "state": entry.state, "reason": entry.reason}


def _cell_data(cell: Cell) -> dict[str, Any]:
    there = {group.model for group in cell.groups}
    base, motivated = (model if cell.pair or model in there else None for model in (cell.base, cell.motivated))
    return {
        "pair": cell.pair,
        "base_model": base,
        "motivated_model": motivated,
        "data": cell.settings.data,
        "metric": cell.metric.column,
        "data_known_by": cell.settings.data_known_by,
        "test_images": cell.test_images,
        "settings": dict(cell.settings.common),
        "settings_from_config": cell.settings.from_config,
        "settings_worth_naming": dict(cell.marks),
        "groups": [group_data(group, cell.convention) for group in cell.groups],
        "paired_differences": [contrast_data(one) for one in cell.contrasts],
        "arms": [_arm_data(cell, arm) for arm in cell.arms],
        "notes": list(cell.notes),
    }


def group_data(group: Group, convention: str) -> dict[str, Any]:
    return in_convention(convention, {
        "group": group.name,
        "model": group.model,
        "arm": group.arm,
        **_arm_settings(group),
        "n": group.final.n,
        "seeds": list(group.seeds),
        "run_ids": list(group.run_ids),
        "test_images": group.test_images,
        **_values(group),
        "forward_macs_per_image": group.forward_per_image,
        **_cost_data(group.cost),
    })  # fmt: skip


def _values(group: Group) -> dict[str, Any]:
    """Of the paper's accuracy as trained and re-estimated; of another metric the one that is recorded."""
    by_seed = {str(key): value for key, value in group.value_by_seed.items()}
    name, recalibrated = group.metric.column, group.recalibrated
    if not group.metric.of_the_paper:
        return {f"{name}_by_seed": by_seed, f"{name}_mean": group.final.mean, f"{name}_sd": group.final.sd}
    return {
        "test_accuracy_as_trained_percent_by_seed": by_seed,
        "test_accuracy_as_trained_percent_mean": group.final.mean,
        "test_accuracy_as_trained_percent_sd": group.final.sd,
        "test_accuracy_as_trained_sampling_error_points": group.sampling_error_points,
        "test_accuracy_recalibrated_percent_mean": recalibrated.mean if recalibrated else None,
        "test_accuracy_recalibrated_percent_sd": recalibrated.sd if recalibrated else None,
    }


def means_of(group: Group) -> dict[str, Any]:
    """Of `_values` the means."""
    return {key: value for key, value in _values(group).items() if key.endswith("_mean")}


def in_unit(metric: Metric, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The same numbers under keys that name the unit of the metric."""
    return {key.replace("_points", f"_{metric.unit_key}"): value for key, value in numbers.items()}


def accuracy_of(one: Contrast) -> str | None:
    """`as trained` or `re-estimated`; None of another metric, which is recorded once."""
    return str(one.accuracy) if one.scale.metric.of_the_paper else None


def in_convention(convention: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The same numbers under keys that name the unit of the convention."""
    if convention == MACS:
        return dict(numbers)
    return {
        key.replace("mega_mac", "mega_paper_flop").replace("_macs", "_paper_flops"): value
        for key, value in numbers.items()
    }


def _arm_settings(group: Group) -> dict[str, Any]:
    keys = ("motivation.condition", "motivation.k", "pair.init", "pair.map")
    return {key.partition(".")[2]: group.settings.arm.get(key) for key in keys}


def _cost_data(cost: Cost) -> dict[str, Any]:
    return {
        "train_flops_per_run_mean": cost.train_flops.mean,
        "evaluation_flops_per_run_mean": cost.evaluation_flops.mean,
        "condition_flops_per_run_mean": cost.condition_flops.mean,
        "copied_bytes_per_run_mean": cost.copied_bytes.mean,
        "wall_seconds_per_run_mean": cost.epoch_seconds.mean,
        "wall_seconds_per_run_sd": cost.epoch_seconds.sd,
    }


def contrast_data(one: Contrast) -> dict[str, Any]:
    """`statement` is null where nothing may be said; `no_statement` then says why."""
    found = one.difference
    return {
        "family": str(one.family),
        "arm": one.arm,
        "left": found.left,
        "right": found.right,
        "accuracy": accuracy_of(one),
        "n": found.n,
        "seeds": list(found.seeds),
        **difference_numbers(one, one.scale.metric),
        **in_unit(one.scale.metric, _precision_data(one) | _check_data(one)),
    }


def difference_numbers(one: Contrast | None, metric: Metric) -> dict[str, Any]:
    """The same keys with None for a group that is not compared with that other one."""
    return in_unit(metric, dict.fromkeys(DIFFERENCE_KEYS) if one is None else _difference_numbers(one))


def _difference_numbers(one: Contrast) -> dict[str, Any]:
    found, verdict = one.difference, one.verdict
    return {
        "mean_points": found.mean,
        "sd_points": found.sd,
        **_ends("{}_points", found.interval),
        "p_value": found.p_value,
        "p_value_adjusted": verdict.p_adjusted,
        "equivalence_margin_points": verdict.margin,
        "equivalence_p_value_adjusted": verdict.equivalence_p_adjusted,
        "statement": verdict.word,
        "no_statement": None if verdict.unsaid is None else str(verdict.unsaid),
    }


def _ends(key: str, interval: Interval | None) -> dict[str, Any]:
    return {
        key.format("low"): None if interval is None else interval.low,
        key.format("high"): None if interval is None else interval.high,
    }


def _precision_data(one: Contrast) -> dict[str, Any]:
    found = one.precision
    if found is None:
        return dict.fromkeys(PRECISION_KEYS)
    return {
        "effect_points": found.effect,
        **_ends("sd_{}_points", found.sd_interval),
        "seeds_for_effect": found.seeds,
        "seeds_for_effect_low": found.seeds_low,
        "seeds_for_effect_high": found.seeds_high,
        "smallest_difference_points": found.smallest_difference,
    }


def _check_data(one: Contrast) -> dict[str, Any]:
    found = one.checks
    return {
        "welch_p_value": found.welch_p_value,
        "seed_correlation": found.seed_correlation,
        **_ends("bootstrap_{}_points", found.bootstrap),
        "sign_flip_p_value": found.sign_flip_p_value,
        "sign_flip_floor": found.sign_flip_floor,
    }


def _arm_data(cell: Cell, arm: Arm) -> dict[str, Any]:
    numbers = arm_numbers(arm, cell.convention, cell.metric)
    return {"arm": arm.label, **_arm_settings(arm.base), **numbers, "prices": asdict(prices(cell, arm))}


def arm_numbers(arm: Arm | None, convention: str, metric: Metric) -> dict[str, Any]:
    """Share, cost and efficiency of an arm; the same keys with None for a group that belongs to none."""
    numbers = dict.fromkeys(ARM_KEYS) if arm is None else _arm_numbers(arm)
    return in_unit(metric, in_convention(convention, numbers))


def _arm_numbers(arm: Arm) -> dict[str, Any]:
    measures, observed = arm.efficiency, arm.share.observed
    return {
        "observed_share_mean": observed.mean,
        **_ends("observed_share_{}", observed.interval),
        "expected_share": arm.share.expected,
        "expected_share_basis": None if arm.share.expected is None else arm.share.basis,
        "expected_share_inside_interval": arm.share.expected_inside,
        "f_x_macs_per_image": measures.f_x,
        "f_xy_macs_per_image": measures.f_xy,
        "f_y_macs_per_image": measures.f_y,
        "gain_x_y_b_points": measures.gain_x_y_b,
        "gain_y_c_points": measures.gain_y_c,
        "acc_per_flops_x_y_b_points_per_mega_mac": measures.acc_per_flops_x_y_b,
        "acc_per_flops_y_c_points_per_mega_mac": measures.acc_per_flops_y_c,
        "acc_f_ratio": measures.acc_f_ratio,
        "acc_f_ratio_remark": measures.ratio_remark,
        "added_blocks_usage_ratio_mean": _mean(arm.apart.usage),
        "answers_differ_percent_mean": _mean(arm.apart.answers_differ_percent),
        "base_accuracy_where_differ_percent_mean": _mean(arm.apart.base_accuracy_where_differ_percent),
        "motivated_accuracy_where_differ_percent_mean": _mean(arm.apart.motivated_accuracy_where_differ_percent),
    }


def _mean(found: Sample | None) -> float | None:
    return found.mean if found else None
