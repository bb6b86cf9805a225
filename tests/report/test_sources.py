"""The last parts of a report: the paper's rows beside ours, settings that differ, and commands that repeat it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from run_folders import Results
from typer.testing import CliRunner

from seekcli.analysis.published import paper_results
from seekcli.cli.app import app
from seekcli.report import beside_paper
from seekcli.report.beside_paper import beside_table
from seekcli.report.html.page import report_html
from seekcli.report.html.sources import group_commands, started_by, typed
from seekcli.report.settings_differ import cells_table, groups_table
from seekcli.runs.scan import scan_runs


def places_of(results: Results) -> dict[str, Path]:
    return {run.run_id: run.path for run in scan_runs([results.folder])}


def test_the_paper_prints_a_pair_once_whatever_number_of_tables_it_is_in() -> None:
    found = paper_results("resnet20", "resnet32", "cifar10")
    assert [(one.tables, one.role, one.condition, one.inferred_k) for one in found[:2]] == [
        (("1",), "base", None, None),
        (("1", "7"), "base", "loss", 2),
    ]
    assert {one.condition for one in found} >= {"random-count", "matched-count", "ema-loss", "gradient-norm"}
    assert (found[-1].role, found[-1].condition, found[-1].mean_percent) == ("motivated", None, 93.63)
    assert found[1].gain_points == pytest.approx(92.83 - 92.62)
    assert [one.role for one in paper_results("efficientnet-b0", "efficientnet-b1", "cifar100")].count("motivated") == 2
    assert paper_results("resnet20", "resnet44", "cifar10") == []


def test_measured_rows_stand_beside_the_printed_ones_where_pair_and_data_match(results: Results) -> None:
    data = {"data__name": "cifar10"}
    results.add_seeds("base", [91.0, 91.2, 91.4], **data)
    results.add_seeds("alternating", [(91.5, 92.0), (91.7, 92.0), (92.2, 92.0)], **data)
    results.add_seeds("base", [91.0, 91.2, 91.4])  # of other data
    cells = results.compare().cells
    tables = {cell.settings.data: beside_table(cell) for cell in cells}
    assert tables["digits"] is None
    assert tables["cifar10"] is not None
    rows = [row.cells for row in tables["cifar10"].rows]
    assert rows[0] == ("base alone", "1", "", "5", "92.62 ± 0.17", "", "", "3", "91.20 ± 0.20", "")
    assert rows[1][:7] == ("base, alternating, loss", "1, 7", "2", "5", "92.83 ± 0.20", "+0.21", "loss k=2 identity")
    assert rows[1][7:] == ("3", "91.80 ± 0.36", "+0.60 [+0.17, +1.03]")
    assert rows[-1] == ("larger alone", "1", "", "5", "93.63 ± 0.13", "", "not run", "", "", "")
    page = report_html(results.compare(), places_of(results), [[] for _ in cells], "x")
    assert beside_paper.NO_ROW not in page


def test_a_report_says_that_the_paper_has_no_such_pair(results: Results) -> None:
    results.add(data__name="cifar10", data__limit_train=500)  # other training images are other data
    page = report_html(results.compare(), places_of(results), [[]], "x")
    assert beside_paper.NO_ROW in page


def test_settings_that_differ_stand_by_group_and_by_part(results: Results) -> None:
    results.add("base")
    results.add()
    results.add(motivation__k=3, pair__init="paper")
    results.add(optimizer__lr=0.05)
    comparison = results.compare()
    tables = [groups_table(cell) for cell in comparison.cells]
    assert tables[1] is None  # one arm
    assert tables[0] is not None
    assert [column.header for column in tables[0].columns] == ["trained", "pair.init", "motivation.k"]
    assert [row.cells for row in tables[0].rows] == [
        ("base alone", "-", "-"),
        ("both [loss k=2 identity]", "identity", "2"),
        ("both [loss k=3 paper]", "paper", "3"),
    ]
    parts = cells_table(comparison)
    assert parts is not None
    assert [row.cells[1:] for row in parts.rows] == [("0.1",), ("0.05",)]
    page = report_html(comparison, places_of(results), [[], []], "x")
    assert page.index("Settings that differ</h2>") < page.index("<span>Settings that differ between the groups of")


@pytest.mark.parametrize(
    "settings",
    [
        {"motivation__k": 3, "optimizer__lr": 0.05, "data__limit_train": 200},
        {"pair__buffers": "carried", "pair__recalibrate_batches": 0, "pair__init": "paper"},
        {"schedule": "base", "train__steps": 12},
        {"schedule": "motivated", "runtime__threads": 1},
        {"motivation__condition": "matched-count", "motivation__counts": [1] * 20},
        {"motivation__condition": "window", "motivation__window_start": 0.5, "motivation__window_stop": 1.0},
    ],
)
def test_the_command_of_an_arm_is_that_of_its_runs(results: Results, settings: dict[str, object]) -> None:
    own = {key: value for key, value in settings.items() if key != "schedule"}
    schedule = str(settings.get("schedule", "alternating"))
    found_out = {"data__image_size": 8, "data__classes": 10, "data__channels": 1}
    folders = [results.add(schedule, seed=seed, **found_out, **own) for seed in (0, 4)]
    (cell,) = results.compare().cells
    (command,) = group_commands(cell, places_of(results))
    words = shlex.split(command.words)
    assert words[-4:] == ["--seeds", "0,4", "--out", str(results.folder)]
    planned = CliRunner().invoke(app, [*words[1:], "--dry-run", "--progress", "json"])
    assert planned.exit_code == 0, planned.output
    assert [run["run_id"] for run in json.loads(planned.stdout)["runs"]] == [folder.name for folder in folders]


def test_what_was_typed_is_told_and_not_what_a_worker_was_started_with() -> None:
    order = ["/x/seekcli/__main__.py", "grid", "work", "g.toml", "--out", "my results", "--order", "-"]
    assert typed(order) == "seek grid run g.toml --out 'my results'"
    assert typed(["/usr/bin/seek", "train", "--k", "3"]) == "seek train --k 3"
    assert typed(["examples/own.py", "5"]) == "python examples/own.py 5"
    started = started_by([{"command": order}, {"command": order}, {"command": None}, {}])
    assert [(one.what, one.words) for one in started] == [("2 runs", "seek grid run g.toml --out 'my results'")]


def test_a_command_in_the_page_is_the_command(results: Results) -> None:
    results.add(data__name="digits", seed=2)
    comparison, places = results.compare(), places_of(results)
    page = report_html(comparison, places, [[]], "x")
    (shown,) = re.findall(r"<pre>(.*?)</pre>", page)
    assert re.sub("<[^>]*>", "", shown) == group_commands(comparison.cells[0], places)[0].words
