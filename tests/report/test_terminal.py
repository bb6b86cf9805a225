"""What stands on the screen: readable at every width, no number cut, nothing left out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from seekcli.analysis.comparison import Comparison
from seekcli.report import page
from seekcli.report.terminal import PlainConsole, print_comparison

if TYPE_CHECKING:
    from run_folders import Results


@pytest.fixture
def comparison(results: Results) -> Comparison:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.5, 98.8, 99.5])
    results.add_seeds("alternating", [(98.6, 67.0), (98.7, 97.5), (99.4, 8.0)])
    results.add_seeds("alternating", [(98.6, 67.0), (88.7, 97.5), (99.4, 100.0)], pair__init="paper", motivation__k=12)
    results.add(seed=9, state="failed", accuracy=None, message="non-finite loss at step 77")
    return results.compare()


def screen(comparison: Comparison, width: int) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, height=50, force_terminal=True, color_system=None, highlight=False)
    print_comparison(comparison, console)
    return file.getvalue()


def numbers(comparison: Comparison) -> list[str]:
    """Every cell with a digit in every numeric column."""
    shown = [table for cell in comparison.cells for table in page.cell_tables(cell)]
    return [
        text
        for table in shown
        for row in table.rows
        if not row.heading
        for column, text in zip(table.columns, row.cells, strict=True)
        if column.numeric
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
def test_no_number_is_cut_at_any_width(comparison: Comparison, width: int) -> None:
    shown = screen(comparison, width)
    assert "…" not in shown
    assert numbers(comparison)
    assert [number for number in numbers(comparison) if number not in shown] == []


@pytest.mark.parametrize("width", [80, 160])
def test_lines_fit_the_terminal(comparison: Comparison, width: int) -> None:
    assert max(len(line) for line in screen(comparison, width).splitlines()) <= width


def test_a_row_reads_as_one_line_at_80_columns(comparison: Comparison) -> None:
    lines = [line.split() for line in screen(comparison, 80).splitlines()]
    assert ["base", "alone", "3", "0-2", "98.40", "±", "0.40", "2.00", "400.00", "40.0", "s"] in lines
    assert ["larger,", "alternating", "3", "0-2", "57.50", "±", "45.50", "4.00", "same", "run", "same", "run"] in lines


def test_piped_output_is_plain_and_complete(comparison: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(comparison)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.startswith("13 runs: 12 finished, 1 failed\n")
    (entry,) = comparison.left_out
    assert f"failed: {entry.path} (3 of 20 epochs; non-finite loss at step 77)" in shown  # on one line, to grep
    assert "rewards a large k mechanically" in shown
    assert [number for number in numbers(comparison) if number not in shown] == []


def test_piped_tables_of_many_starts_have_100_columns(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    """No setting that stands at its default is repeated, and arms are set against each other by what they differ in."""
    again = {"columns": {"test_accuracy_recalibrated_percent": 98.0}}
    for starts in ({"pair__init": "paper"}, {}, {"pair__added_scale": 0.3}, {"pair__differential_lr_factor": 10.0}):
        results.add_seeds("alternating", [(98.6, 67.0), (98.7, 97.5), (99.4, 8.0)], **starts, **again)
    results.add_seeds("base", [98.0, 98.4, 98.8], **again)
    print_comparison(results.compare())
    shown = capsys.readouterr().out
    tables = shown[: shown.index("How to read this")]
    assert max(len(line) for line in tables.splitlines() if not line.startswith("- ")) <= 100  # notes are sentences
    assert "differential_lr_factor=10" in shown
    rows = [line.split("  ")[0] for line in shown.splitlines()]
    assert {"base: identity - paper", "base: added_scale=0 - added_scale=0.3", "loss k=2 identity"} < {*rows}


def test_a_reader_that_has_gone_is_left_to_the_command() -> None:
    """Rich would exit with code 1 for `seek compare | head`."""
    with pytest.raises(BrokenPipeError):
        PlainConsole().on_broken_pipe()


def test_nothing_finished_is_said(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results.add(state="running", accuracy=None)
    print_comparison(results.compare())
    shown = capsys.readouterr().out
    assert shown.startswith("1 run: 0 finished, 1 interrupted\n")
    assert "no run has finished with what runs are compared by" in shown
    assert f"interrupted: {folder} (3 of 20 epochs; dead, resumable: the same command goes on with it)" in shown
