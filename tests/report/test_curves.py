"""Curves over epochs: an arm has one colour in every picture, and dashes say which of its models a line is."""

from __future__ import annotations

from typing import Any

from run_folders import Results

from seekcli.analysis.history import epoch_rows
from seekcli.report.figures.canvas import CYCLE, INK, MARKERS
from seekcli.report.figures.cost import accuracy_against_compute
from seekcli.report.figures.curves import learning_curves
from seekcli.runs.scan import scan_runs


def lines_of(results: Results) -> tuple[dict[str, tuple[Any, ...]], Any]:
    (cell,) = results.compare().cells
    places = {run.run_id: run.path for run in scan_runs([results.folder])}
    axes = learning_curves(cell, epoch_rows(cell.groups, places)).figure.axes[0]
    return {
        str(line.get_label()): (line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines
    }, cell


def test_a_colour_is_an_arm_and_dashes_are_a_model(results: Results) -> None:
    results.add("base")
    results.add("motivated")
    results.add()
    results.add(motivation__k=3)
    lines, cell = lines_of(results)
    assert lines["base alone"][:2] == (INK, "-")
    assert lines["larger alone"][:2] == (INK, "--")
    assert lines["base, alternating [loss k=2 identity]"][:2] == (CYCLE[0], "-")
    assert lines["larger, alternating [loss k=2 identity]"][:2] == (CYCLE[0], "--")
    assert lines["larger, alternating [loss k=3 identity]"][:2] == (CYCLE[1], "--")
    legend = accuracy_against_compute(cell).figure.axes[0].get_legend_handles_labels()
    shades = {label: handle.get_color() for handle, label in zip(*legend, strict=True)}
    assert (shades["loss k=2 identity"], shades["loss k=3 identity"]) == CYCLE[:2]


def test_arms_of_one_colour_have_other_marks(results: Results) -> None:
    for k in range(1, len(CYCLE) + 2):
        results.add(motivation__k=k)
    lines, _ = lines_of(results)
    first, last = (lines[f"base, alternating [loss k={k} identity]"] for k in (1, len(CYCLE) + 1))
    assert first[0] == last[0]
    assert (first[2], last[2]) == (".", MARKERS[1])


def test_a_gain_that_is_rounding_alone_is_none(results: Results) -> None:
    results.add_seeds("base", [91.1, 91.3, 91.7])
    results.add_seeds("alternating", [(91.3, 90.0), (91.7, 90.0), (91.1, 90.0)])
    (cell,) = results.compare().cells
    assert cell.arms[0].efficiency.gain_x_y_b == 0.0
