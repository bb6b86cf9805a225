"""Which classes an arm is better and worse at than its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.classes import ClassDifference
from seekcli.report.figures.canvas import BLUE, FONT_POINTS, INK, VERMILION, Picture, blank, cut, label

MOST = 24


def by_class(arm: str, differences: Sequence[ClassDifference]) -> Picture | None:
    """Of many classes those with the largest differences in either direction. None where there is none."""
    if not differences:
        return None
    ordered = sorted(differences, key=lambda one: one.found.mean)
    shown = ordered if len(ordered) <= MOST else [*ordered[: MOST // 2], *ordered[-MOST // 2 :]]
    figure, (axes,) = blank(0.9 + 0.2 * len(shown))
    words = "; ".join(f"{one.class_name} {one.found.mean:+.2f}" for one in shown)
    title = f"Differences by class: base, {arm} - base alone" + (
        f" ({MOST} of {len(ordered)} classes)" if len(ordered) > MOST else ""
    )
    picture = Picture("classes", title, words, figure, arm=arm)
    picture.note = "Mean over seeds. The intervals are not corrected for the number of classes."
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, one in enumerate(shown):
        (bar,) = axes.barh(place, one.found.mean, color=BLUE if one.found.mean >= 0 else VERMILION, height=0.6)
        picture.tell(bar, f"{one.class_name}: {one.found.mean:+.2f} points, n = {one.found.n}")
        if one.found.interval is not None:
            axes.hlines(place, one.found.interval.low, one.found.interval.high, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(shown)), [cut(one.class_name) for one in shown])
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    label(axes, "accuracy points, 95 % interval", "")
    return picture
