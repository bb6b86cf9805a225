"""Every table of text: aligned columns (the same on a terminal and in a pipe, easy to grep), markdown and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from seekcli.errors import visible


def aligned(header: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[str] = ()) -> str:
    """Lines of cells two spaces apart, the columns named in `numeric` to the right. None shows as `-`."""
    cells = [list(header), *(["-" if cell is None else visible(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [name in numeric for name in header]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> list[str]:
    """The lines of a table; `numeric` columns are to the right. A row may lack cells at its end."""
    full = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    cells = [[visible(cell).replace("|", "\\|") for cell in row] for row in full]
    rule = "|" + "|".join("---:" if to_the_right else "---" for to_the_right in numeric) + "|"
    return [f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(row)} |" for row in cells)]


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a row below the names of the columns, which are those of all rows; nothing where there is none."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# A last column with less room than this has lines of its own, below the others.
LEAST_TEXT_WIDTH, INDENT = 24, "  "


def fitted(header: Sequence[str], rows: Sequence[Sequence[object]], width: int, numeric: Sequence[str] = ()) -> str:
    """`aligned` where that fits the width. Else the text of the last column is wrapped; where the others alone are too
    wide, each row has its first cell on a line (which is never cut) and the named others below it."""
    whole = aligned(header, rows, numeric)
    if max(map(len, whole.splitlines())) <= width:
        return whole
    if header[-1] in numeric:  # no text, and none below a name on a line of its own
        header, rows = [*header, ""], [[*row, None] for row in rows]
    texts = ["" if row[-1] is None else visible(str(row[-1])) for row in rows]
    lead = aligned(header[:-1], [row[:-1] for row in rows], numeric).splitlines()
    room = width - max(map(len, lead)) - len(INDENT)
    if max(map(len, lead)) > width:
        return "\n".join(_stacked(header, row, width) for row in rows)
    if room >= LEAST_TEXT_WIDTH:
        left = max(map(len, lead)) + len(INDENT)
        return "\n".join(
            textwrap.fill(text or "-", width, initial_indent=line.ljust(left), subsequent_indent=" " * left)
            for line, text in zip(lead, [header[-1], *texts], strict=True)
        )
    below = [textwrap.fill(text, width, initial_indent=INDENT, subsequent_indent=INDENT) for text in texts]
    return "\n".join([lead[0], *(part for pair in zip(lead[1:], below, strict=True) for part in pair if part)])


def _stacked(header: Sequence[str], row: Sequence[object], width: int) -> str:
    """The first cell; below it what the others are, `state finished, done 3/3 epochs`; below that the last one."""
    named = zip(header[1:-1], row[1:-1], strict=True)
    others = ", ".join(f"{name} {visible(str(cell))}" for name, cell in named if cell is not None)
    last = "" if row[-1] is None else visible(str(row[-1]))
    below = [textwrap.fill(text, width, initial_indent=INDENT, subsequent_indent=INDENT) for text in (others, last)]
    return "\n".join([visible(str(row[0])), *filter(None, below)])
