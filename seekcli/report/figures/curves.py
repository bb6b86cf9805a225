"""What happened over the epochs: accuracies, losses, the share of the larger model, the usage of what it adds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import PLAIN_NAMES, X_C, X_C_EQUAL, X_Y_B, X_Y_M, Y_C, Y_C_EQUAL, Arm, Group
from seekcli.analysis.history import Curve, RowsByRun, Value, curve_of, is_of, share_of_epoch
from seekcli.report import wording
from seekcli.report.figures.canvas import (
    FEW_NAMES,
    INK,
    Picture,
    blank,
    colour,
    dashes,
    label,
    legend,
    marker,
    whole_numbers,
)
from seekcli.report.figures.single_runs import MOST_MARKS, value_words, with_ends
from seekcli.report.wording import group_title
from seekcli.runs.records import Row

# Of a group its colour is that of its arm, as in the other pictures, and the dashes say which model it is.
DASHES_OF = {X_C: "-", X_Y_B: "-", X_Y_M: "--", X_C_EQUAL: ":", Y_C_EQUAL: "-.", Y_C: "--"}
ARM_GREY = "#808080"  # in the legend, for the colour of whichever arm
MANY_EPOCHS, MARKS_OF_A_LINE = 30, 8
BESIDE_POINTS = 4.0  # from the only mark of one group to that of the next
MOST_LINES = 60  # single runs of all groups together: more lines nobody tells apart


@dataclass(frozen=True)
class Style:
    """How a curve is drawn; `marker` is empty for a line without marks."""

    shade: str
    dashes: str
    marker: str


def learning_curves(cell: Cell, rows: RowsByRun) -> Picture:
    """Test accuracy (or what is compared) of the written model and training loss, of all groups."""
    figure, (left, right) = blank(3.4, columns=2)
    metric = cell.metric
    accuracy = _of_groups(cell.groups, rows, lambda row: row[metric.column])
    loss = _of_groups(cell.groups, rows, lambda row: row["train_loss"])
    ends = [(one.name, one.points[-1].mean) for one in accuracy if one.points]
    picture = Picture(
        "learning-curves",
        "Learning curves: mean over seeds, shaded from the lowest to the highest",
        "; ".join(f"{name} ends at {value_words(mean, metric)}" for name, mean in ends),
        figure,
        note=" ".join(filter(None, (_which_accuracy(cell, rows), _evaluated_once(accuracy)))),
    )
    styles = _styles_of_groups(cell)
    _draw(picture, left, accuracy, styles, lambda value: value_words(value, metric))
    _draw(picture, right, loss, styles, lambda value: f"training loss {value:.4g}")
    label(left, "epoch", wording.metric_header(metric))
    label(right, "epoch", "training loss")
    whole_numbers(left, right)
    legend(left, handles=_key(cell, left) if len(cell.groups) > FEW_NAMES else None)
    return picture


def _key(cell: Cell, axes: Axes) -> list[Line2D]:
    """Of many groups the dashes of each kind, and the colour of each arm: few lines say what many would."""
    found = []
    for name in dict.fromkeys(group.name for group in cell.groups):
        shade = INK if name in (X_C, Y_C) else ARM_GREY
        found += axes.plot([], [], color=shade, linestyle=DASHES_OF[name], label=PLAIN_NAMES[name])
    for number, arm in enumerate(cell.arms):
        found += axes.plot([], [], color=colour(number), linewidth=3, marker=marker(number), label=arm.label)
    return found


def _evaluated_once(curves: Sequence[Curve]) -> str:
    if not any(len(curve.points) == 1 and len(curve.runs) > 1 for curve in curves):
        return ""
    return (
        "Groups that were evaluated once are upright, from the lowest run to the highest; the mean is a dot where "
        "their line would be whole, a bar where it would be dashed."
    )


def _which_accuracy(cell: Cell, rows: RowsByRun) -> str:
    """With which BatchNorm statistics: those of a run of both are re-estimated where it says so."""
    if not cell.metric.of_the_paper:
        return ""
    again = {
        group.arm is None or group.name in (X_C_EQUAL, Y_C_EQUAL)
        for group in cell.groups
        if any(_is_re_estimated(row) for run_id in group.run_ids for row in rows[run_id] if is_of(group, row))
    }
    if again != {False}:
        return ""
    if not any(group.arm is None for group in cell.groups):
        return "Accuracy is with re-estimated BatchNorm statistics, as the models are written."
    return (
        "Accuracy of both models of a run that alternates is with re-estimated BatchNorm statistics, that of the "
        "models alone as trained: each as it is written. The tables have both of the last epoch."
    )


def _is_re_estimated(row: Row) -> bool:
    """Whether the accuracy of the row is the re-estimated one of two."""
    found = row["test_accuracy_recalibrated_percent"]
    return found is not None and found == row["test_accuracy_percent"]


def share_by_epoch(cell: Cell, rows: RowsByRun) -> Picture | None:
    """Motivated steps over all steps of each epoch, against what chance or the schedule gives. None without an arm."""
    if not cell.arms:
        return None
    figure, (axes,) = blank(2.8)
    curves = [_of_arm(arm, rows, share_of_epoch) for arm in cell.arms]
    words = "; ".join(_share_in_words(arm) for arm in cell.arms)
    picture = Picture("share", "Share of the larger model's steps, by epoch", words, figure)
    _draw(picture, axes, curves, _styles_of_arms(cell), lambda value: f"{value:.2%} of the steps")
    for expected in sorted({arm.share.expected for arm in cell.arms if arm.share.expected is not None}):
        line = axes.axhline(expected, color=INK, linewidth=0.9, linestyle=":")
        picture.tell(line, f"expected: {expected:.2%}")
    label(axes, "epoch", "share (dotted: expected)")
    axes.set_ylim(bottom=0)
    whole_numbers(axes)
    legend(axes)
    return picture


def _share_in_words(arm: Arm) -> str:
    return f"{arm.label}: {wording.share(arm.share.observed.mean)}, expected {wording.share_words(arm.share, True)}"


def usage_by_epoch(cell: Cell, rows: RowsByRun) -> Picture | None:
    """How much the added blocks do. None where no run says so."""
    all_curves = [_of_arm(arm, rows, lambda row: row["added_blocks_usage"]) for arm in cell.arms]
    known = [(curve, style) for curve, style in zip(all_curves, _styles_of_arms(cell), strict=True) if curve.points]
    if not known:
        return None
    curves, styles = [curve for curve, _ in known], [style for _, style in known]
    figure, (axes,) = blank(2.8)
    words = "; ".join(f"{one.name} ends at {one.points[-1].mean:.3g}" for one in curves)
    picture = Picture(
        "usage", "Usage of the added blocks: 0 where they do nothing, about 1 as much as the others", words, figure
    )
    _draw(picture, axes, curves, styles, lambda value: f"usage {value:.3g}")
    label(axes, "epoch", "usage")
    axes.set_ylim(bottom=0)
    whole_numbers(axes)
    legend(axes)
    return picture


def _of_groups(groups: Sequence[Group], rows: RowsByRun, value: Value) -> list[Curve]:
    return [curve_of(group_title(group), group, rows, value) for group in groups]


def _of_arm(arm: Arm, rows: RowsByRun, value: Value) -> Curve:
    return curve_of(arm.label, arm.motivated, rows, value)


def _styles_of_arms(cell: Cell) -> list[Style]:
    return [Style(colour(number), dashes(number), "") for number in range(len(cell.arms))]


def _styles_of_groups(cell: Cell) -> list[Style]:
    """Colours come again after six arms: marks tell those apart."""
    places = {arm.label: number for number, arm in enumerate(cell.arms)}
    styles = []
    for group in cell.groups:
        number = places.get(group.arm or "")
        shade, mark = (INK, "") if number is None else (colour(number), marker(number))
        styles.append(Style(shade, DASHES_OF[group.name], mark))
    return styles


def _draw(
    picture: Picture, axes: Axes, curves: Sequence[Curve], styles: Sequence[Style], say: Callable[[float], str]
) -> None:
    """`say` writes a value with its unit. Runs are thin lines where they are few; the shade of a curve names them."""
    count = sum(len(curve.runs) for curve in curves)
    for curve, style, beside in zip(curves, styles, _side_by_side(curves), strict=True):
        if not curve.points:
            continue
        place = offset_copy(axes.transData, picture.figure, x=beside, units="points")
        epochs, means = [one.epoch for one in curve.points], [one.mean for one in curve.points]
        low, high = [one.low for one in curve.points], [one.high for one in curve.points]
        last = curve.points[-1]
        words = f"{curve.name}: {say(last.mean)} after epoch {last.epoch}, n = {last.n}"
        runs = sorted(curve.runs, key=lambda run: run.points[-1][1])
        said = [f"{run.run_id}: {say(run.points[-1][1])} after epoch {run.points[-1][0]}" for run in runs]
        spread: Artist
        if len(epochs) == 1:  # a shade would have no width
            spread = axes.vlines(epochs, low, high, color=style.shade, alpha=0.5, linewidth=1.5)
            spread.set_transform(place)
        else:
            spread = axes.fill_between(epochs, low, high, color=style.shade, alpha=0.15, linewidth=0)
        picture.tell(spread, "\n".join([words, *said]) if count <= MOST_MARKS else with_ends(words, said))
        for run, of_run in zip(runs, said, strict=True) if count <= MOST_LINES and len(runs) > 1 else ():
            (line,) = axes.plot(*zip(*run.points, strict=True), color=style.shade, alpha=0.35, linewidth=0.7)
            picture.tell(line, of_run)
        mark = style.marker or ("." if len(epochs) < MANY_EPOCHS else "")
        if len(epochs) == 1 and style.dashes != "-":  # no line whose dashes tell the models of a colour apart
            mark = "_"
        (line,) = axes.plot(
            epochs, means, color=style.shade, linestyle=style.dashes, label=curve.name, markersize=4,
            marker=mark,
            markevery=max(1, len(epochs) // MARKS_OF_A_LINE) if style.marker else 1,
        )  # fmt: skip
        line.set_transform(place)  # here, so that the axes are those of the numbers
        picture.tell(line, words)


def _side_by_side(curves: Sequence[Curve]) -> list[float]:
    """How far to the right each is drawn, in points: those of one epoch alone would hide each other there."""
    at: dict[int, list[int]] = defaultdict(list)
    for number, curve in enumerate(curves):
        if len(curve.points) == 1:
            at[curve.points[0].epoch].append(number)
    found = [0.0] * len(curves)
    for numbers in at.values():
        for place, number in enumerate(numbers):
            found[number] = BESIDE_POINTS * (place - (len(numbers) - 1) / 2)
    return found
