"""Curves over epochs: an arm has one colour in every picture, and dashes say which of its models a line is."""

from __future__ import annotations

from typing import Any

from matplotlib.collections import LineCollection
from run_folders import Results

from seekcli.analysis.history import Point, curve_of, epoch_rows
from seekcli.report.differences import difference_table, drawn_reach
from seekcli.report.figures.canvas import CYCLE, INK, MARKERS
from seekcli.report.figures.cost import accuracy_against_compute
from seekcli.report.figures.curves import learning_curves
from seekcli.report.figures.differences import forest
from seekcli.report.html.intervals import drawn_intervals
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


def test_one_difference_far_off_leaves_the_others_room_and_is_an_arrow(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.1, 98.3])
    for k in (1, 2, 3):
        results.add_seeds("alternating", [(98.2, 98.0), (98.0, 98.2), (98.5, 98.3)], motivation__k=k)
    results.add_seeds("alternating", [(50.0, 50.3), (51.0, 50.2), (49.0, 49.9)], motivation__k=4)
    (cell,) = results.compare().cells
    picture = forest(cell)
    assert picture is not None
    axes = picture.figure.axes[0]
    low, high = axes.get_xlim()
    assert -30 < low < -1
    assert "Arrows: " in picture.note
    arrows = [line for line in axes.lines if line.get_marker() == "<"]
    assert f"Arrows: {len(arrows) + sum(line.get_marker() == '>' for line in axes.lines)} diff" in picture.note
    assert all(low < line.get_xdata()[0] < high for line in arrows)
    drawn = [str(one) for one in drawn_intervals(difference_table(cell)) or ()]
    assert sum("<path" in one for one in drawn) == len(arrows) + sum(line.get_marker() == ">" for line in axes.lines)


def test_differences_of_one_size_are_drawn_whole(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.1, 98.3])
    results.add_seeds("alternating", [(98.2, 98.0), (98.0, 98.2), (98.5, 98.3)])
    (cell,) = results.compare().cells
    picture = forest(cell)
    assert picture is not None
    assert picture.note == "Small dots: the difference of each seed."
    assert drawn_reach([0.0, 0.0]) == 1.0
    assert drawn_reach([0.0, 0.0, 2.0]) == 2.0


def test_one_group_far_off_leaves_the_others_room_and_is_an_arrow(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.1, 98.3])
    for k in (1, 2, 3):
        results.add_seeds("alternating", [(98.2, 98.0), (98.0, 98.2), (98.5, 98.3)], motivation__k=k)
    results.add_seeds("alternating", [(50.0, 98.3), (51.0, 98.2), (49.0, 98.1)], motivation__k=4)
    (cell,) = results.compare().cells
    picture = accuracy_against_compute(cell)
    axes = picture.figure.axes[0]
    low, high = axes.get_ylim()
    assert 90 < low < 98 < high < 100
    (arrow,) = [line for line in axes.lines if line.get_markersize() == 9]
    assert arrow.get_marker() == "v"
    assert low < arrow.get_ydata()[0] < 98
    assert "beyond the axis: base, alternating [loss k=4 identity] 50.00 %." in picture.note
    assert "Small dots: the single runs, 3 of them beyond the axis." in picture.note


def test_the_seventh_arm_has_other_marks_than_the_first(results: Results) -> None:
    for k in range(1, len(CYCLE) + 2):
        results.add(motivation__k=k)
    (cell,) = results.compare().cells
    axes = accuracy_against_compute(cell).figure.axes[0]
    shown = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    first, last = (shown[f"loss k={k} identity"] for k in (1, len(CYCLE) + 1))
    assert first.get_color() == last.get_color()
    assert (first.get_fillstyle(), last.get_fillstyle()) == ("full", "none")
    learning = lines_of(results)[0]
    assert learning["loss k=7 identity"][2] == MARKERS[1]  # of many groups the legend names arms and kinds


def test_which_accuracy_a_curve_has_is_said_where_there_are_two(results: Results) -> None:
    def note() -> str:
        (cell,) = results.compare().cells
        places = {run.run_id: run.path for run in scan_runs([results.folder])}
        picture = learning_curves(cell, epoch_rows(cell.groups, places))
        ticks = [tick for tick in picture.figure.axes[0].get_xticks() if 19 < tick < 21]
        assert ticks == [20]  # a single epoch has no fractions beside it
        return picture.note

    results.add(columns={"test_accuracy_recalibrated_percent": 98.0, "test_accuracy_as_trained_percent": 60.0})
    assert note() == "Accuracy is with re-estimated BatchNorm statistics, as the models are written."
    results.add("base")
    assert "re-estimated BatchNorm statistics, that of the models alone as trained" in note()


def test_a_mean_is_that_of_the_same_runs_in_every_epoch(results: Results) -> None:
    """One run is longer than the other: its last epochs are its own, no mean."""
    results.add_seeds("base", [90.0, 92.0])
    (cell,) = results.compare().cells
    (group,) = cell.groups
    lengths = dict(zip(group.run_ids, (2, 3), strict=True))
    rows = {
        run_id: [{"epoch": epoch, "pair": None, "value": 10.0 * length + epoch} for epoch in range(1, length + 1)]
        for run_id, length in lengths.items()
    }
    curve = curve_of("base alone", group, rows, lambda row: row["value"])
    assert curve.points == (Point(1, 2, 26.0, 21.0, 31.0), Point(2, 2, 27.0, 22.0, 32.0))
    assert [len(run.points) for run in curve.runs] == [2, 3]


def test_groups_that_were_evaluated_once_stand_side_by_side_with_their_spread(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.1, 98.5])
    results.add_seeds("motivated", [97.0, 97.2, 97.4])
    (cell,) = results.compare().cells
    places = {run.run_id: run.path for run in scan_runs([results.folder])}
    picture = learning_curves(cell, epoch_rows(cell.groups, places))
    axes = picture.figure.axes[0]
    upright = [one for one in axes.collections if isinstance(one, LineCollection)]
    assert [one.get_segments()[0][:, 1].tolist() for one in upright] == [[98.0, 98.5], [97.0, 97.4]]
    left, right = (one.get_transform().transform((20, 98))[0] for one in upright)
    assert left < axes.transData.transform((20, 98))[0] < right
    marks = {line.get_label(): line.get_marker() for line in axes.lines if line.get_marker() not in ("", "None")}
    assert marks == {"base alone": ".", "larger alone": "_"}
    assert "evaluated once are upright" in picture.note
