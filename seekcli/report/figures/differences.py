"""The forest plot: every paired difference with its interval, and the band in which a difference counts as none."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.comparison import Cell
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.verdicts import QuestionFamily
from seekcli.errors import counted
from seekcli.report import wording
from seekcli.report.differences import by_arm, drawn_reach, names_of
from seekcli.report.figures.canvas import BLUE, FONT_POINTS, INK, VERMILION, Picture, blank, label

ROW_INCHES, FRAME_INCHES, EDGE = 0.22, 0.9, 0.04
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
    ends = _ends([one for _, one in shown if one is not None])
    reach = drawn_reach(ends)
    beyond = sum(one is not None and abs(one.difference.mean) > reach for _, one in shown)
    arrows = f"Arrows: {counted(beyond, 'difference')} beyond the axis. " if beyond else ""
    goes_on = max(map(abs, ends)) > reach
    note = f"{arrows}Intervals that meet the frame go on; the table has the numbers." if goes_on else ""
    picture = Picture("differences", title, _words(shown), figure, note=note)
    margin = cell.contrasts[0].verdict.margin
    axes.axvspan(-margin, margin, color=BLUE, alpha=0.12, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (name, one) in enumerate(shown):
        if one is not None:
            _draw(picture, place, name, one, reach)
    if goes_on:
        low, high = max(min(ends), -reach), min(max(ends), reach)
        axes.set_xlim(low - EDGE * (high - low), high + EDGE * (high - low))
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    for text, (_, one) in zip(axes.get_yticklabels(), shown, strict=True):
        text.set_fontweight("bold" if one is None else "normal")
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


def _draw(picture: Picture, place: int, name: str, one: Contrast, reach: float) -> None:
    (axes,) = picture.figure.axes
    marker, colour = MARKS[one.family]
    interval, mean = one.difference.interval, one.difference.mean
    if interval is not None:
        axes.hlines(place, interval.low, interval.high, color=colour, linewidth=1.6)  # one that goes on meets the frame
    if abs(mean) > reach:
        marker = "<" if mean < 0 else ">"
    (point,) = axes.plot([min(max(mean, -reach), reach)], [place], marker, color=colour, markersize=5)
    picture.tell(point, f"{name}: {wording.contrast_points(one)}, n = {one.difference.n}")


def _words(rows: Sequence[tuple[str, Contrast | None]]) -> str:
    said = []
    for name, one in rows:
        if one is None:
            said.append(f"Of {name}")
        else:
            said.append(f"{name} {wording.contrast_points(one)} ({wording.verdict(one.verdict)})")
    key = "Squares are the primary comparisons, blue dots the second family, the others exploratory; inside the shaded "
    return f"{key}band a difference counts as none. {'; '.join(said)}"
