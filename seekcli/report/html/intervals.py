"""The intervals of a table, drawn beside its numbers on one scale."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from seekcli.report.differences import drawn_reach
from seekcli.report.tables import Table

# `+0.15 [-0.80, +1.10]`, as `wording.points_with_interval` writes it.
POINTS = re.compile(r"^([+-]\d+\.\d+) \[([+-]\d+\.\d+), ([+-]\d+\.\d+)\]$")
WIDTH, HEIGHT, EDGE = 144.0, 19.0, 4.0


def drawn_intervals(table: Table) -> list[Markup] | None:
    """One small SVG a row, an empty one where a row has no interval; None for a table without intervals of points."""
    found = [_of_row(row.cells) for row in table.rows]
    known = [one for one in found if one]
    if not known:
        return None
    reach = drawn_reach([end for _, low, high in known for end in (low, high)])
    return [Markup("") if one is None else _drawn(one, reach) for one in found]


def _of_row(cells: Sequence[str]) -> tuple[float, float, float] | None:
    for cell in cells:
        if match := POINTS.match(cell):
            mean, low, high = (float(text) for text in match.groups())
            return mean, low, high
    return None


def _drawn(found: tuple[float, float, float], reach: float) -> Markup:
    """A mean beyond the reach is an arrow; an interval that goes on meets the edge."""
    mean, low, high = (min(max(WIDTH / 2 + value / reach * (WIDTH / 2 - EDGE), 0.0), WIDTH) for value in found)
    mean = min(max(mean, EDGE), WIDTH - EDGE)
    middle = HEIGHT / 2
    mark = Markup('<circle cx="{mean:.1f}" cy="{y:g}" r="3"/>').format(mean=mean, y=middle)
    if abs(found[0]) > reach:
        tip, back = (mean - EDGE, mean + EDGE) if found[0] < 0 else (mean + EDGE, mean - EDGE)
        mark = Markup('<path d="M{tip:.1f} {y:g}L{back:.1f} {up:g}V{down:g}Z"/>').format(
            tip=tip, back=back, y=middle, up=middle - EDGE, down=middle + EDGE
        )
    return Markup(
        '<svg viewBox="0 0 {w:g} {h:g}" aria-hidden="true"><line x1="{m:g}" x2="{m:g}" y2="{h:g}"/>'
        '<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:g}" y2="{y:g}"/>{mark}</svg>'
    ).format(w=WIDTH, h=HEIGHT, m=WIDTH / 2, low=low, high=high, y=middle, mark=mark)
