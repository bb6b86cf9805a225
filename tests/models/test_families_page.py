"""docs/families.md: what it promises is so, and its table was measured."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from pages import write_between

from seekcli.models.catalog import MODELS, nests_fully, parse_pair

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "families.md"


def load_benchmark():
    spec = importlib.util.spec_from_file_location("families_benchmark", ROOT / "benchmarks" / "families.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benchmark():
    return load_benchmark()


def measured_rows():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured: begin -->")
    table, _, _ = rest.partition("<!-- measured: end -->")
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_family_has_a_row_in_which_resume_and_export_are_exact(benchmark):
    rows = measured_rows()
    assert [row[1] for row in rows] == list(benchmark.PAIRS)
    assert {row[0] for row in rows} == {spec.family for spec in MODELS.values()}
    for row in rows:
        assert row[-2:] == ["yes", "yes"]
        full = nests_fully(*parse_pair(row[1]))
        assert (row[4] == "100.0") == full
        assert float(row[5]) < 1e-5 if full else row[5] == "impossible"


def test_the_page_names_every_family_and_says_how_it_was_measured():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{spec.family}`" in text for spec in MODELS.values())
    assert re.search(r"Measured \d{4}-\d\d-\d\d by `.+` on .+; torch \d", text)


def test_a_run_is_stopped_before_a_motivated_step_and_before_a_base_step(benchmark):
    first = ["base", "base", "motivated", "base", "motivated"]
    assert benchmark.stops([*first, "base", "motivated", "base", "base", "base"]) == [2, 7]


def test_the_table_goes_between_the_markers_and_nothing_else_changes(benchmark, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{benchmark.BEGIN}\nold\n{benchmark.END}\nbelow\n")
    write_between(page, "new", benchmark.BEGIN, benchmark.END)
    assert page.read_text() == f"above\n{benchmark.BEGIN}\nnew\n{benchmark.END}\nbelow\n"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="has no"):
        write_between(page, "new", benchmark.BEGIN, benchmark.END)


@pytest.mark.slow
def test_one_pair_is_measured_through_real_runs(benchmark, tmp_path):
    row = benchmark.measure("resnet8-to-14", tmp_path)
    assert row.resume_exact
    assert row.export_exact
    assert row.coverage == 1.0
    assert row.identity_error < 1e-6
    assert row.as_markdown().startswith("| cifar-resnet | resnet8-to-14 | ")
