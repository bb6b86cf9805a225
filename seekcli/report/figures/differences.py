"""The forest plot: every paired difference with its interval, and the band in which a difference counts as none."""

from __future__ import annotations

from seekcli.analysis.comparison import Cell
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.verdicts import QuestionFamily
from seekcli.report import wording
from seekcli.report.differences import names_of
from seekcli.report.figures.canvas import BLUE, FONT_POINTS, INK, VERMILION, Picture, blank, label

ROW_INCHES, FRAME_INCHES = 0.24, 0.9
MARKS = {
    QuestionFamily.PRIMARY: ("s", VERMILION),
    QuestionFamily.SECOND: ("o", BLUE),
    QuestionFamily.EXPLORATORY: ("o", INK),
}


def forest(cell: Cell, most: int = 40) -> Picture | None:
    """None where nothing is compared. The families in their order; of many exploratory rows the first are shown."""
    order = list(QuestionFamily)
    contrasts = sorted(cell.contrasts, key=lambda one: order.index(one.family))[:most]
    if not contrasts:
        return None
    figure, (axes,) = blank(FRAME_INCHES + ROW_INCHES * len(contrasts))
    names = names_of(cell.contrasts)
    picture = Picture("differences", "Paired differences, with 95 % intervals", _words(contrasts, names), figure)
    margin = contrasts[0].verdict.margin_points
    axes.axvspan(-margin, margin, color=BLUE, alpha=0.12, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, one in enumerate(contrasts):
        marker, colour = MARKS[one.family]
        interval = one.difference.interval
        if interval is not None:
            axes.hlines(place, interval.low, interval.high, color=colour, linewidth=1.6)
        (point,) = axes.plot([one.difference.mean], [place], marker, color=colour, markersize=5)
        picture.tell(point, f"{names[id(one)]}: {wording.points_with_interval(one.difference)}, n = {one.difference.n}")
    axes.set_yticks(range(len(contrasts)), [_row_name(one, names[id(one)]) for one in contrasts])
    axes.set_ylim(len(contrasts) - 0.4, -0.6)
    label(axes, f"accuracy points (shaded: within {margin:.2g})", "")
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    return picture


def _row_name(one: Contrast, name: str) -> str:
    return f"{name}  [{one.arm}]" if one.arm else name


def _words(contrasts: list[Contrast], names: dict[int, str]) -> str:
    rows = []
    for one in contrasts:
        points, word = wording.points_with_interval(one.difference), wording.verdict(one.verdict)
        rows.append(f"{_row_name(one, names[id(one)])}: {points} ({word})")
    return "Squares are the primary comparisons, blue dots the second family, the others exploratory. " + "; ".join(
        rows
    )
