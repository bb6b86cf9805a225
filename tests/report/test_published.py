"""What the paper's own figures show, each statement with its computation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats
from typer.testing import CliRunner

from seekcli.analysis.published import paper_rows
from seekcli.cli.app import app

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


def test_every_format_and_the_page() -> None:
    assert seek("markdown") == (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert len(json.loads(seek("json"))["rows"]) == len(seek("csv").splitlines()) - 1 == 36
    assert "31 rows" in seek("table")
