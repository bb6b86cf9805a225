"""Markdown for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from seekcli.report import page, text

if TYPE_CHECKING:
    from run_folders import Results


@pytest.fixture
def full(results: Results) -> Results:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.5, 98.8, 99.6])
    results.add_seeds("alternating", [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)])
    return results


def csv_rows(text_: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_)))


def test_json_keeps_full_precision(full: Results) -> None:
    tree = json.loads(text.comparison_json(full.compare()))
    (cell,) = tree["cells"]
    assert (tree["runs_found"], tree["runs_finished"], tree["not_counted"]) == (9, 9, [])
    groups = {group["group"]: group for group in cell["groups"]}
    assert groups["Y-C"]["test_accuracy_as_trained_percent_mean"] == pytest.approx((98.5 + 98.8 + 99.6) / 3, rel=1e-15)
    assert groups["X-Y-M"]["test_accuracy_as_trained_percent_by_seed"] == {"0": 97.0, "1": 97.5, "2": 98.0}
    assert groups["X-C"]["k"] is None
    assert groups["X-Y-B"]["k"] == 2
    assert cell["settings"]["optimizer.lr"] == 0.1
    difference = next(d for d in cell["paired_differences"] if (d["left"], d["right"]) == ("X-Y-B", "X-C"))
    assert difference["mean_points"] == pytest.approx(0.5)
    assert difference["low_points"] < 0.5 < difference["high_points"]
    assert (difference["family"], difference["accuracy"], difference["statement"]) == ("primary", "as trained", "hint")
    assert difference["p_value_adjusted"] == difference["p_value"] == pytest.approx(0.0377, abs=1e-4)
    assert (difference["sign_flip_p_value"], difference["sign_flip_floor"]) == (0.25, 0.25)
    assert difference["seed_correlation"] == pytest.approx(0.9177, abs=1e-4)
    assert (difference["effect_points"], difference["seeds_for_effect"]) == (0.3, 5)
    assert difference["sd_low_points"] < difference["sd_points"] < difference["sd_high_points"]
    (arm,) = cell["arms"]
    assert arm["f_xy_macs_per_image"] == pytest.approx(2e6 + 0.16 * 2e6)
    gain = (98.6 + 98.7 + 99.4 - 98.0 - 98.4 - 98.8) / 3
    assert arm["acc_per_flops_x_y_b_points_per_mega_mac"] == pytest.approx(gain / 0.32)


def test_json_writes_null_for_undefined(results: Results) -> None:
    results.add("base", accuracy=98.0)
    results.add("motivated", accuracy=98.0)
    results.add(accuracy=(98.5, 97.0), expected_share=None)
    (cell,) = json.loads(text.comparison_json(results.compare()))["cells"]
    (arm,) = cell["arms"]
    assert arm["acc_f_ratio"] is None
    assert arm["acc_f_ratio_remark"] == "undefined: larger alone (Y-C) gains nothing over base alone (X-C)"
    assert arm["expected_share"] is None
    assert arm["observed_share_low"] is None
    assert cell["groups"][0]["test_accuracy_as_trained_percent_sd"] is None
    assert cell["paired_differences"][0]["p_value"] is None


def test_json_names_runs_that_are_not_counted(full: Results) -> None:
    folder = full.add(seed=8, state="failed", accuracy=None, message="no disk")
    (entry,) = json.loads(text.comparison_json(full.compare()))["not_counted"]
    assert entry == {
        "run_id": folder.name, "path": str(folder), "state": "failed", "reason": "3 of 20 epochs; no disk"
    }  # fmt: skip


def test_csv_has_one_line_per_group(full: Results) -> None:
    rows = csv_rows(text.comparison_csv(full.compare()))
    assert [row["group"] for row in rows] == ["X-C", "X-Y-B", "X-Y-M", "Y-C"]
    by_group = {row["group"]: row for row in rows}
    assert float(by_group["X-Y-B"]["minus_x_c_mean_points"]) == pytest.approx(0.5)
    assert float(by_group["X-Y-M"]["minus_y_c_mean_points"]) == pytest.approx(97.5 - (98.5 + 98.8 + 99.6) / 3)
    assert by_group["X-Y-B"]["minus_y_c_mean_points"] == ""
    assert by_group["X-C"]["observed_share_mean"] == ""
    assert float(by_group["X-Y-M"]["observed_share_mean"]) == 0.16
    assert by_group["Y-C"]["seeds"] == "0 1 2"
    assert (by_group["Y-C"]["epochs"], by_group["Y-C"]["device_type"]) == ("20", "cpu")


def test_csv_columns_do_not_depend_on_the_runs(full: Results) -> None:
    columns = text.comparison_csv(full.compare()).splitlines()[0]
    full.add("base", seed=4, optimizer__lr=0.7)
    assert text.comparison_csv(full.compare()).splitlines()[0] == columns
    assert text.comparison_csv(full.compare("optimizer.lr=0.7")).splitlines()[0] == columns


def test_csv_tells_cells_apart(full: Results) -> None:
    full.add("base", accuracy=50.0, optimizer__lr=0.7)
    found = {row["settings_worth_naming"] for row in csv_rows(text.comparison_csv(full.compare()))}
    assert found == {"optimizer.lr=0.1", "optimizer.lr=0.7"}


def test_markdown_tables_are_well_formed(full: Results) -> None:
    full.add(seed=8, state="stopped", accuracy=None)
    shown = text.comparison_markdown(full.compare())
    lines = shown.splitlines()
    assert "## resnet20-to-32 on digits" in lines
    assert "| base alone | 3 | 0-2 | 98.40 ± 0.40 | 2.00 | 400.00 | 40.0 s |" in lines
    comparison = full.compare()
    widths = [len(table.columns) for table in page.cell_tables(comparison.cells[0])]
    blocks = [block.splitlines() for block in shown.split("\n\n") if block.startswith("|")]
    assert [{line.count("|") for line in block} for block in blocks] == [{width + 1} for width in widths]
    assert "## Not counted" in lines
    assert any(line.startswith("- stopped: ") for line in lines)


def test_units_are_in_the_names(full: Results) -> None:
    """A bare number in a file is a puzzle: every measured key says its unit, or is a count, a share or a p value."""
    units = ("percent", "points", "macs", "flops", "bytes", "seconds", "mega_mac", "share", "ratio", "p_value")
    (row, *_) = csv_rows(text.comparison_csv(full.compare()))
    words = {"pair", "data", "recipe", "epochs", "steps", "batch_size", "precision", "device_type",
             "settings_worth_naming", "group", "test_images", "model", "arm", "condition", "k", "init", "map", "n",
             "seeds", "run_ids"}  # fmt: skip
    unclear: list[Any] = [key for key in row if key not in words and not any(unit in key for unit in units)]
    assert [key for key in unclear if not key.endswith(("statement", "_accuracy"))] == []
