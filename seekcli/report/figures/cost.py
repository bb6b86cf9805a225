"""What the accuracy cost: accuracy against training compute, and where the compute of a run went."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.comparison import Cell
from seekcli.analysis.compute import Spent, front, spent_by
from seekcli.analysis.groups import Group
from seekcli.report import wording
from seekcli.report.figures.canvas import (
    BLUE,
    FONT_POINTS,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILION,
    Picture,
    blank,
    colour,
    label,
    legend,
)
from seekcli.report.wording import group_title

PARTS = (("base", BLUE), ("larger", VERMILION), ("evaluation", GREEN), ("re-estimation", PURPLE), ("condition", ORANGE))


def accuracy_against_compute(cell: Cell) -> Picture:
    """Each group at its training FLOPs, with the standard deviation over its seeds; the line joins the best ones."""
    figure, (axes,) = blank(3.6)
    groups = list(cell.groups)
    prefix, factor = wording.prefix_for([group.cost.train_flops.mean for group in groups])
    best = front(groups)
    words = "; ".join(_words(group, prefix, factor) for group in groups)
    picture = Picture("accuracy-against-compute", "Accuracy against training compute", words, figure)
    axes.plot(
        [group.cost.train_flops.mean / factor for group in best],
        [group.of_written_model.mean for group in best],
        color=INK, linewidth=1, linestyle=":", label="no group is better at this cost",
    )  # fmt: skip
    for number, group in enumerate(groups):
        x, accuracy = group.cost.train_flops.mean / factor, group.of_written_model
        axes.errorbar(x, accuracy.mean, yerr=accuracy.sd, color=colour(number), capsize=2, linewidth=1.2)
        marker = "s" if group.arm is None else "o"
        (point,) = axes.plot([x], [accuracy.mean], marker, color=colour(number), label=group_title(group))
        picture.tell(point, _words(group, prefix, factor))
    label(axes, f"training {prefix}FLOPs of the run", "test accuracy % (± sd over seeds)")
    legend(axes)
    return picture


def _words(group: Group, prefix: str, factor: float) -> str:
    cost = f"{wording.scaled(group.cost.train_flops.mean, factor)} {prefix}FLOPs"
    accuracy = wording.mean_and_sd(group.of_written_model)
    return f"{group_title(group)}: {accuracy} % at {cost}, n = {group.accuracy.n}"


def cost_split(cell: Cell) -> Picture:
    """Of each group of runs, which model or purpose its FLOPs were for."""
    spent = spent_by(cell)
    figure, (axes,) = blank(0.9 + 0.3 * len(spent))
    prefix, factor = wording.prefix_for([one.total for one in spent])
    words = "; ".join(_split_in_words(one, prefix, factor) for one in spent)
    picture = Picture("cost", "Where the compute went", words, figure)
    for place, one in enumerate(spent):
        left = 0.0
        for (part, shade), flops in zip(PARTS, one.parts, strict=True):
            (bar,) = axes.barh(place, flops / factor, left=left / factor, color=shade, height=0.6)
            picture.tell(bar, f"{one.name}, {part}: {wording.scaled(flops, factor)} {prefix}FLOPs")
            left += flops
    axes.set_yticks(range(len(spent)), [one.name for one in spent])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    for part, shade in PARTS:
        axes.barh([0], [0], color=shade, label=part)
    label(axes, f"{prefix}FLOPs of a run, mean over seeds", "")
    legend(axes, columns=len(PARTS))
    return picture


def _split_in_words(one: Spent, prefix: str, factor: float) -> str:
    parts: Sequence[str] = [
        f"{part} {wording.scaled(flops, factor)}" for (part, _), flops in zip(PARTS, one.parts, strict=True) if flops
    ]
    return f"{one.name}: {', '.join(parts)} {prefix}FLOPs"
