"""What the paper's own figures show, each statement with its computation."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from seekcli.analysis.published import figures, paper_rows
from seekcli.analysis.published_costs import misprints, paper_costs
from seekcli.cli.app import app
from seekcli.report.published import published_page
from seekcli.report.terminal import print_page

ROOT = Path(__file__).resolve().parents[2]


def seek(format_: str) -> str:
    done = CliRunner().invoke(app, ["compare", "--paper", "--format", format_])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_no_row_against_its_classic_counterpart_is_below_5_percent() -> None:
    rows = [row for row in paper_rows() if row.table in "14567"]
    p_values = [row.p_value for row in rows if row.p_value is not None]
    assert (len(rows), len(p_values)) == (31, 31)
    assert min(p_values) == pytest.approx(0.10, abs=0.005)
    first = stats.ttest_ind_from_stats(92.83, 0.20, 5, 92.62, 0.17, 5, equal_var=False).pvalue
    assert rows[0].p_value == pytest.approx(first)


def test_transfer_and_imagenet() -> None:
    transfer = [row.p_value for row in paper_rows() if row.table == "3"]
    assert len(transfer) == 4
    assert all(p is not None and p < 1e-4 for p in transfer)
    assert [row.p_value for row in paper_rows() if row.table == "2"] == [None]


def test_the_largest_gains_of_a_base() -> None:
    rows = [row for row in paper_rows() if row.table != "3" and row.trained.startswith("base")]
    assert max(row.gain_points for row in rows if row.data == "cifar10") == pytest.approx(0.21)
    assert max(row.gain_points for row in rows if row.data == "cifar100") == pytest.approx(0.45)


def test_rows_that_stand_in_two_tables_are_named() -> None:
    twice = {(row.table, row.pair, row.also_in_table) for row in paper_rows() if row.also_in_table}
    pairs = (("1", "resnet20-to-32", "7"), ("4", "efficientnet-b0-to-b1", "5"), ("4", "efficientnet-b1-to-b2", "5"))
    assert twice == {*pairs, *((other, pair, table) for table, pair, other in pairs)}
    note = next(note for note in json.loads(seek("json"))["notes"] if "stand in two tables" in note)
    assert all(f"{pair} on" in note for _, pair, _ in pairs)
    assert "efficientnet-b1-to-b2 has there one accuracy with two forward costs, k=3 (table 4) and k=2" in note
    assert note.count("two forward costs") == 1


def test_f_y_over_f_xy() -> None:
    costs = paper_costs()
    assert len(costs) == 19
    assert costs[0].f_y_over_f_xy == pytest.approx(140.13 / 92.47)
    vit = [one.f_y_over_f_xy for one in costs if one.family == "vit"]
    others = [one.f_y_over_f_xy for one in costs if one.family != "vit"]
    assert [min(others), max(others)] == pytest.approx([1.29, 2.31], abs=0.005)
    assert vit == pytest.approx([4.6 / 1.323, 4.6 / 1.304])


def test_shares_are_near_chance_in_17_of_19_rows() -> None:
    costs = paper_costs()
    assert costs[0].share == pytest.approx((92.47 - 82.82) / (140.13 - 82.82))
    assert (costs[0].nearest_k, costs[0].share_by_chance) == (2, pytest.approx(1 / 6))
    far = [(one.table, one.pair) for one in costs if not one.near_chance]
    assert far == [("4", "efficientnet-b1-to-b2"), ("4", "efficientnet-b2-to-b3")]
    inferred = [int(row["k_inferred"]) for row in figures("accuracy") if row["flops_label"] and row["k_inferred"]]
    assert {one.nearest_k for one in costs} == set(inferred)
    assert "partly circular" in " ".join(json.loads(seek("json"))["notes"])


def test_figures_that_do_not_follow_from_their_own_rows() -> None:
    found = {(one.table, one.pair, one.data, one.figure): (one.printed, one.recomputed) for one in misprints()}
    larger = "ACC/FLOPs of the larger model alone"
    assert found == {
        ("1", "resnet20-to-32", "cifar100", "ACC/FLOPs of the base"): (0.069, pytest.approx(0.14 / 2.30)),
        ("1", "resnet20-to-32", "cifar100", "ACC/F_Ratio"): (2.23, pytest.approx(0.14 / 2.30 / (1.77 / 57.31))),
        ("4", "efficientnet-b0-to-b1", "cifar100", larger): (2.22, pytest.approx(0.83 / 0.31)),
        ("4", "efficientnet-b0-to-b1", "cifar100", "ACC/F_Ratio"): (1.26, pytest.approx(2.8 / (0.83 / 0.31))),
        ("4", "efficientnet-b1-to-b2", "cifar100", larger): (3.33, pytest.approx(0.26 / 0.3)),
        ("4", "efficientnet-b1-to-b2", "cifar100", "ACC/F_Ratio"): (6.76, pytest.approx(22.5 / (0.26 / 0.3))),
    }


def test_every_format_and_the_page() -> None:
    assert seek("markdown") == (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert len(json.loads(seek("json"))["rows"]) == len(seek("csv").splitlines()) - 1 == 36
    assert "31 rows" in seek("table")


def test_the_page_fits_80_columns_and_names_every_row() -> None:
    screen = Console(width=80, force_terminal=True, no_color=True, record=True, file=io.StringIO())
    print_page(published_page(), screen)
    lines = screen.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    for row in paper_rows():
        assert any(f"{row.gain_points:+.2f}" in line for line in lines)
    assert {row.trained.partition(",")[0] for row in paper_rows()} == {"base", "larger", "transfer"}
