"""What the accuracy cost: accuracy against training compute, and where the compute of a run went."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from seekcli.analysis.comparison import Cell
from seekcli.analysis.compute import Spent, front, spent_by
from seekcli.analysis.groups import PLAIN_NAMES, X_C, X_C_EQUAL, X_Y_B, X_Y_M, Y_C_EQUAL, Group
from seekcli.errors import human_bytes
from seekcli.report import wording
from seekcli.report.differences import drawn_reach
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
    fill,
    label,
    legend,
)
from seekcli.report.figures.single_runs import are_few, draw_single, in_order, runs_of_group, value_words, with_ends
from seekcli.report.wording import group_title

PARTS = (("base", BLUE), ("larger", VERMILION), ("evaluation", GREEN), ("re-estimation", PURPLE), ("condition", ORANGE))

MOST_FOR_RUNS = 3  # times: how much longer single runs may make the axis
EDGE = 0.05  # of the axis, beyond what is drawn


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
    styles = {arm.label: (colour(number), fill(number)) for number, arm in enumerate(cell.arms)}
    runs = {place: runs_of_group(group, factor, prefix) for place, group in enumerate(groups)}
    few = are_few(runs)
    low, high, goes_on = _reach(groups, few)
    off = sum(not low <= run.y <= high for of_group in runs.values() for run in of_group) if goes_on else 0
    dots = f"Small dots: the single runs{f', {off} of them beyond the axis' if off else ''}."
    notes = (dots if few else "", _far_off(groups, low, high), _which_accuracy(groups))
    picture.note = " ".join(filter(None, notes))
    for place, group in enumerate(groups):
        x, accuracy = group.cost.train_flops.mean / factor, group.of_written_model
        (shade, filled), words = styles.get(group.arm or "", (INK, "full")), _words(group, prefix, factor)
        if few:
            draw_single(picture, axes, runs[place], shade)
        axes.errorbar(x, accuracy.mean, yerr=accuracy.sd, color=shade, capsize=2, linewidth=1.2)
        # One that is far off stands at the edge, above its arrow.
        height = min(max(accuracy.mean, low), high)
        if height != accuracy.mean:
            axes.plot([x], [height], "v" if height == low else "^", color=shade, markersize=9, fillstyle="none")
        (point,) = axes.plot([x], [height], _shape(group.name), color=shade, fillstyle=filled)
        picture.tell(point, words if few else with_ends(words, in_order(runs[place], lambda run: run.y)))
    for name in dict.fromkeys(group.name for group in groups):
        axes.plot([], [], _shape(name), color=INK, fillstyle="none", label=PLAIN_NAMES[name])
    for name, (shade, filled) in styles.items():
        axes.plot([], [], "s", color=shade, fillstyle=filled, markersize=8, label=name)
    if goes_on:
        axes.set_ylim(low - EDGE * (high - low), high + EDGE * (high - low))
    label(axes, f"training {prefix}FLOPs of the run", f"{wording.metric_header(cell.metric)} (± sd over seeds)")
    legend(axes)
    return picture


def _reach(groups: Sequence[Group], with_runs: bool) -> tuple[float, float, bool]:
    """The lowest and the highest value that is drawn, and whether there are others: a group far off leaves the rest
    room, as in the forest plot."""
    found = [group.of_written_model for group in groups]
    ends = [end for one in found for end in (one.mean - (one.sd or 0.0), one.mean + (one.sd or 0.0))]
    middle = median(one.mean for one in found)
    reach = drawn_reach([end - middle for end in ends])
    near = [group for group in groups if abs(group.of_written_model.mean - middle) <= reach]
    runs = [value for group in near for value in group.written_by_seed.values() if with_runs]
    far = max(reach, min(MOST_FOR_RUNS * reach, max((abs(value - middle) for value in runs), default=0.0)))
    low, high = (max(min(*ends, *runs), middle - far), min(max(*ends, *runs), middle + far))
    return low, high, low > min(ends) or high < max(ends)


def _far_off(groups: Sequence[Group], low: float, high: float) -> str:
    beyond = [group for group in groups if not low <= group.of_written_model.mean <= high]
    values = [value_words(group.of_written_model.mean, group.metric) for group in beyond]
    named = "; ".join(f"{group_title(group)} {value}" for group, value in zip(beyond, values, strict=True))
    return f"Arrows at the edge, beyond the axis: {named}." if beyond else ""


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
