"""The forest plot: every paired difference with its interval, and the band in which a difference counts as none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seekcli.analysis.comparison import Cell
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.verdicts import QuestionFamily
from seekcli.errors import counted
from seekcli.report import wording
from seekcli.report.differences import by_arm, drawn_reach, names_of
from seekcli.report.figures.canvas import BLUE, FONT_POINTS, INK, VERMILION, Picture, blank, cut, label
from seekcli.report.figures.single_runs import SingleRun, are_few, draw_single, in_order, pairs_of_contrast, with_ends

WIDEST = 250.0  # points of a name
ROW_INCHES, FRAME_INCHES, EDGE = 0.22, 0.9, 0.04
PAIR_BELOW = 0.3  # of a row: where the single seeds stand, so that they hide no interval
MOST_FOR_SEEDS = 3  # times: how much longer they may make the axis
# Of more rows the arms against each other are left to the table.
MOST = 60
MARKS = {
    QuestionFamily.PRIMARY: ("s", VERMILION),
    QuestionFamily.SECOND: ("o", BLUE),
    QuestionFamily.EXPLORATORY: ("o", INK),
}


def forest(cell: Cell) -> Picture | None:
    """None where nothing is compared. In the order of the table: those of an arm stand under its name."""
    blocks = by_arm(cell.contrasts)
    rows: list[tuple[str, Contrast | None]] = []
    names = names_of(cell.contrasts)
    for arm, contrasts in blocks:
        rows += [(arm, None)] if arm is not None else []
        rows += [(names[id(one)], one) for one in contrasts]
    shown = rows[:MOST]
    if not shown:
        return None
    figure, (axes,) = blank(FRAME_INCHES + ROW_INCHES * len(shown))
    title = "Paired differences, with 95 % intervals" + (f" ({MOST} of {len(rows)} rows)" if len(rows) > MOST else "")
    drawn = {place: one for place, (_, one) in enumerate(shown) if one is not None}
    pairs = {place: pairs_of_contrast(one, place + PAIR_BELOW) for place, one in drawn.items()}
    few = are_few(pairs)
    ends = _ends(list(drawn.values()))
    reach = drawn_reach(ends)
    if few:
        seeds = [pair.x for place, one in drawn.items() if abs(one.difference.mean) <= reach for pair in pairs[place]]
        ends += seeds
        reach = max(reach, min(MOST_FOR_SEEDS * reach, max(map(abs, seeds), default=0.0)))
    goes_on = max(map(abs, ends)) > reach
    picture = Picture("differences", title, _words(shown), figure, note=_note(drawn.values(), reach, few, goes_on))
    margin = cell.contrasts[0].verdict.margin
    axes.axvspan(-margin, margin, color=BLUE, alpha=0.12, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, one in drawn.items():
        _draw(picture, place, shown[place][0], one, reach, pairs[place], few)
    if goes_on:
        low, high = max(min(ends), -reach), min(max(ends), reach)
        axes.set_xlim(low - EDGE * (high - low), high + EDGE * (high - low))
    axes.set_yticks(range(len(shown)), [cut(name, WIDEST) for name, _ in shown])
    for place, text in enumerate(axes.get_yticklabels()):
        text.set_fontweight("normal" if place in drawn else "bold")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    metric = cell.metric
    unit = "accuracy points" if metric.of_the_paper else f"{metric.title}, {metric.unit}"
    label(axes, f"{unit} (shaded: {margin:.2g})", "")
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    return picture


def _ends(shown: Sequence[Contrast]) -> list[float]:
    """Of their intervals; of one that has none, its mean."""
    found = [(one.difference.interval, one.difference.mean) for one in shown]
    return [end for bounds, mean in found for end in ((bounds.low, bounds.high) if bounds else (mean,))]


def _note(drawn: Iterable[Contrast], reach: float, few: bool, goes_on: bool) -> str:
    beyond = sum(abs(one.difference.mean) > reach for one in drawn)
    parts = [
        "Small dots: the difference of each seed." if few else "",
        f"Arrows: {counted(beyond, 'difference')} beyond the axis." if beyond else "",
        f"{'Intervals that meet the frame go on' + (', and so do dots' if few else '')}; the table has the numbers."
        if goes_on
        else "",
    ]
    return " ".join(filter(None, parts))


def _draw(
    picture: Picture, place: int, name: str, one: Contrast, reach: float, pairs: Sequence[SingleRun], few: bool
) -> None:
    (axes,) = picture.figure.axes
    marker, colour = MARKS[one.family]
    interval, mean = one.difference.interval, one.difference.mean
    if few:
        draw_single(picture, axes, [pair for pair in pairs if abs(pair.x) <= reach], colour)
    if interval is not None:
        axes.hlines(place, interval.low, interval.high, color=colour, linewidth=1.6)  # one that goes on meets the frame
    if abs(mean) > reach:
        marker = "<" if mean < 0 else ">"
    (point,) = axes.plot([min(max(mean, -reach), reach)], [place], marker, color=colour, markersize=5)
    words = f"{name}: {wording.contrast_points(one)} {one.scale.metric.unit}, n = {one.difference.n}"
    picture.tell(point, words if few else with_ends(words, in_order(pairs, lambda pair: pair.x)))


def _words(rows: Sequence[tuple[str, Contrast | None]]) -> str:
    said = []
    for name, one in rows:
        if one is None:
            said.append(f"Of {name}")
        else:
            said.append(f"{name} {wording.contrast_points(one)} ({wording.verdict(one.verdict)})")
    key = "Squares are the primary comparisons, blue dots the second family, the others exploratory; inside the shaded "
    return f"{key}band a difference counts as none. {'; '.join(said)}"
