"""What happened over the epochs: accuracies, losses, the share of the larger model, the usage of what it adds."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from seekcli.analysis.comparison import Cell
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.history import Curve, RowsByRun, Value, curve_of, share_of_epoch
from seekcli.report import wording
from seekcli.report.figures.canvas import INK, Picture, blank, colour, dashes, label, legend, whole_numbers
from seekcli.report.wording import group_title


def learning_curves(cell: Cell, rows: RowsByRun) -> Picture:
    """Test accuracy (or what is compared) of the written model and training loss, of all groups."""
    figure, (left, right) = blank(3.4, columns=2)
    accuracy = _of_groups(cell.groups, rows, lambda row: row[cell.metric.column])
    loss = _of_groups(cell.groups, rows, lambda row: row["train_loss"])
    metric = cell.metric
    ends = [(one.name, one.points[-1].mean) for one in accuracy if one.points]
    words = "; ".join(f"{name} ends at {mean:.{metric.digits}f} {metric.mark}".rstrip() for name, mean in ends)
    picture = Picture(
        "learning-curves", "Learning curves: mean over seeds, shaded from the lowest to the highest", words, figure
    )
    _draw(picture, left, accuracy, metric.mark)
    _draw(picture, right, loss, "")
    label(left, "epoch", wording.metric_header(metric))
    label(right, "epoch", "training loss")
    whole_numbers(left, right)
    legend(left)
    return picture


def share_by_epoch(cell: Cell, rows: RowsByRun) -> Picture | None:
    """Motivated steps over all steps of each epoch, against what chance or the schedule gives. None without an arm."""
    if not cell.arms:
        return None
    figure, (axes,) = blank(2.8)
    curves = [_of_arm(arm, rows, share_of_epoch) for arm in cell.arms]
    words = "; ".join(_share_in_words(arm) for arm in cell.arms)
    picture = Picture("share", "Share of the larger model's steps, by epoch", words, figure)
    _draw(picture, axes, curves, "")
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
    curves = [_of_arm(arm, rows, lambda row: row["added_blocks_usage"]) for arm in cell.arms]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return None
    figure, (axes,) = blank(2.8)
    words = "; ".join(f"{one.name} ends at {one.points[-1].mean:.3g}" for one in curves)
    picture = Picture(
        "usage", "Usage of the added blocks: 0 where they do nothing, about 1 as much as the others", words, figure
    )
    _draw(picture, axes, curves, "")
    label(axes, "epoch", "usage")
    axes.set_ylim(bottom=0)
    whole_numbers(axes)
    legend(axes)
    return picture


def _of_groups(groups: Sequence[Group], rows: RowsByRun, value: Value) -> list[Curve]:
    return [curve_of(group_title(group), group, rows, value) for group in groups]


def _of_arm(arm: Arm, rows: RowsByRun, value: Value) -> Curve:
    return curve_of(arm.label, arm.motivated, rows, value)


def _draw(picture: Picture, axes: Axes, curves: Sequence[Curve], unit: str) -> None:
    for number, curve in enumerate(curves):
        epochs, means = [one.epoch for one in curve.points], [one.mean for one in curve.points]
        shade = colour(number)
        marker = "." if len(epochs) < 30 else ""
        (line,) = axes.plot(epochs, means, color=shade, linestyle=dashes(number), marker=marker, label=curve.name)
        low, high = [one.low for one in curve.points], [one.high for one in curve.points]
        axes.fill_between(epochs, low, high, color=shade, alpha=0.15, linewidth=0)
        if curve.points:
            picture.tell(
                line,
                f"{curve.name}: {means[-1]:.4g} {unit}".rstrip()
                + f" after epoch {epochs[-1]}, n = {curve.points[-1].n}",
            )
