"""What the accuracy cost: accuracy against training compute, and where the compute of a run went."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.comparison import Cell
from seekcli.analysis.compute import Spent, front, spent_by
from seekcli.analysis.groups import PLAIN_NAMES, X_C, X_C_EQUAL, X_Y_B, X_Y_M, Y_C_EQUAL, Group
from seekcli.errors import human_bytes
from seekcli.report import wording
from seekcli.report.figures.canvas import (
    BLUE,
    FONT_POINTS,
    GREEN,
    INK,
    MARKERS,
    ORANGE,
    PURPLE,
    VERMILION,
    Picture,
    blank,
    colour,
    cut,
    label,
    legend,
)
from seekcli.report.figures.single_runs import are_few, draw_single, in_order, runs_of_group, with_ends
from seekcli.report.wording import group_title

PARTS = (("base", BLUE), ("larger", VERMILION), ("evaluation", GREEN), ("re-estimation", PURPLE), ("condition", ORANGE))

SMALL_DOTS = "Small dots: the single runs."


def accuracy_against_compute(cell: Cell) -> Picture:
    """Each group at its training FLOPs, with the standard deviation over its seeds and its runs behind it; the line
    joins the best ones."""
    figure, (axes,) = blank(3.6)
    groups = list(cell.groups)
    prefix, factor = wording.prefix_for([group.cost.train_flops.mean for group in groups])
    what = "accuracy" if cell.metric.of_the_paper else cell.metric.title
    picture = Picture(
        "accuracy-against-compute",
        f"{what[0].upper()}{what[1:]} against training compute",
        "; ".join(_words(group, prefix, factor) for group in groups),
        figure,
    )
    best = front(groups)
    axes.plot(
        [group.cost.train_flops.mean / factor for group in best],
        [group.of_written_model.mean for group in best],
        color=INK, linewidth=1, linestyle=":", label="no group is better at this cost",
    )  # fmt: skip
    shades = {arm.label: colour(number) for number, arm in enumerate(cell.arms)}
    runs = {place: runs_of_group(group, factor, prefix) for place, group in enumerate(groups)}
    few = are_few(runs)
    picture.note = " ".join(filter(None, (SMALL_DOTS if few else "", _which_accuracy(groups))))
    for place, group in enumerate(groups):
        x, accuracy = group.cost.train_flops.mean / factor, group.of_written_model
        shade, words = shades.get(group.arm or "", INK), _words(group, prefix, factor)
        if few:
            draw_single(picture, axes, runs[place], shade)
        axes.errorbar(x, accuracy.mean, yerr=accuracy.sd, color=shade, capsize=2, linewidth=1.2)
        (point,) = axes.plot([x], [accuracy.mean], _shape(group.name), color=shade)
        picture.tell(point, words if few else with_ends(words, in_order(runs[place], lambda run: run.y)))
    for name in dict.fromkeys(group.name for group in groups):
        axes.plot([], [], _shape(name), color=INK, fillstyle="none", label=PLAIN_NAMES[name])
    for name, shade in shades.items():
        axes.plot([], [], color=shade, linewidth=4, label=name)
    label(axes, f"training {prefix}FLOPs of the run", f"{wording.metric_header(cell.metric)} (± sd over seeds)")
    legend(axes)
    return picture


def _which_accuracy(groups: Sequence[Group]) -> str:
    """With which BatchNorm statistics, where both are known of some group."""
    again = [group.written_by_seed is group.recalibrated_by_seed for group in groups]
    if not any(again):
        return ""
    others = "; ".join(group_title(group) for group, is_again in zip(groups, again, strict=True) if not is_again)
    return f"Accuracy is with re-estimated BatchNorm statistics{f', as trained of {others}' if others else ''}."


def _shape(name: str) -> str:
    """The mark of a kind of group."""
    return dict(zip((X_Y_B, X_Y_M, X_C_EQUAL, Y_C_EQUAL), MARKERS, strict=False)).get(name, "s" if name == X_C else "P")


def _words(group: Group, prefix: str, factor: float) -> str:
    cost = f"{wording.scaled(group.cost.train_flops.mean, factor)} {prefix}FLOPs"
    value = f"{wording.mean_and_sd(group.of_written_model, group.metric.digits)} {group.metric.mark}".rstrip()
    return f"{group_title(group)}: {value} at {cost}, n = {group.final.n}"


def cost_split(cell: Cell) -> Picture:
    """Of each group of runs, which model or purpose its FLOPs were for."""
    spent = spent_by(cell)
    figure, (axes,) = blank(0.9 + 0.3 * len(spent))
    prefix, factor = wording.prefix_for([one.total for one in spent])
    words = "; ".join(_split_in_words(one, prefix, factor) for one in spent)
    picture = Picture("cost", "Where the compute went", words, figure, note=_copies(cell))
    for place, one in enumerate(spent):
        left = 0.0
        for (part, shade), flops in zip(PARTS, one.parts, strict=True):
            (bar,) = axes.barh(place, flops / factor, left=left / factor, color=shade, height=0.6)
            picture.tell(bar, f"{one.name}, {part}: {wording.scaled(flops, factor)} {prefix}FLOPs")
            left += flops
    axes.set_yticks(range(len(spent)), [cut(one.name) for one in spent])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    for part, shade in PARTS:
        axes.barh([0], [0], color=shade, label=part)
    label(axes, f"{prefix}FLOPs of a run, mean over seeds", "")
    legend(axes, columns=len(PARTS))
    return picture


def _copies(cell: Cell) -> str:
    """Weights and optimizer state that travelled at the switches: bytes, not FLOPs."""
    if not cell.arms:
        return ""
    sizes = "; ".join(f"{arm.label} {human_bytes(arm.base.cost.copied_bytes.mean)}" for arm in cell.arms)
    return f"Copied between the two models of a run, mean over seeds: {sizes}."


def _split_in_words(one: Spent, prefix: str, factor: float) -> str:
    parts: Sequence[str] = [
        f"{part} {wording.scaled(flops, factor)}" for (part, _), flops in zip(PARTS, one.parts, strict=True) if flops
    ]
    return f"{one.name}: {', '.join(parts)} {prefix}FLOPs"
