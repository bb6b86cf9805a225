"""A table as lines of a terminal: names wrap where there is little room, numbers never.

Not rich's tables: those of 10,000 runs took it nine seconds.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from seekcli.errors import visible
from seekcli.report.tables import Table, TableRow

GAP, NARROW_GAP = "  ", " "
# A header of numbers is broken at this many letters, a name not below that many.
LEAST_HEADER_WIDTH, LEAST_NAME_WIDTH = 8, 12


def lines_of(table: Table, width: int) -> tuple[str, Iterator[tuple[TableRow | None, list[str]]]]:
    """What stands between two columns, and the lines, as cells of the width of their columns; those of the header and
    the rule are of no row.

    Columns stand closer where that makes the table fit. Lines are longer than `width` where the numbers need it.
    """
    rows = [[visible(cell) for cell in row.cells] for row in table.rows]
    own = [row for row, of in zip(rows, table.rows, strict=True) if not of.heading]
    for gap in (GAP, NARROW_GAP):
        widths = _widths(table, own, width - len(gap) * (len(table.columns) - 1))
        if whole_width(widths, gap) <= width:
            break
    return gap, _laid_out(table, rows, widths, gap)


def whole_width(widths: Sequence[int], gap: str) -> int:
    return sum(widths) + len(gap) * (len(widths) - 1)


def _laid_out(
    table: Table, rows: Sequence[Sequence[str]], widths: Sequence[int], gap: str
) -> Iterator[tuple[TableRow | None, list[str]]]:
    header = [_wrapped(one.header, room) for one, room in zip(table.columns, widths, strict=True)]
    high = max(map(len, header))
    for number in range(high):  # numbers stand right above their column
        yield None, _padded(table, widths, [_at(lines, number - high + len(lines)) for lines in header])
    yield None, ["─" * whole_width(widths, gap)]
    for of, cells in zip(table.rows, rows, strict=True):
        if of.heading:
            yield from ((of, [line]) for line in _wrapped(cells[0], whole_width(widths, gap)))
            continue
        lines = [_wrapped(cell, room) for cell, room in zip(cells, widths, strict=True)]
        high = max(map(len, lines))
        for number in range(high):  # what belongs to a wrapped name stands on its last line
            rest = [_at(one, number - high + len(one)) for one in lines[1:]]
            yield of, _padded(table, widths, [_at(lines[0], number), *rest])


def _widths(table: Table, rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Of the columns, in that room for all of them: those of numbers are as wide as the widest one, those of names
    share what is left."""
    wanted = [max((cell_len(row[index]) for row in rows), default=0) for index in range(len(table.columns))]
    least = list(wanted)
    for index, column in enumerate(table.columns):
        if column.numeric:
            lines = textwrap.wrap(column.header, max(LEAST_HEADER_WIDTH, wanted[index]), break_long_words=False)
            wanted[index] = least[index] = max([wanted[index], *map(len, lines)])
        else:
            wanted[index] = max(wanted[index], len(column.header))
            least[index] = min(wanted[index], LEAST_NAME_WIDTH)
    while sum(wanted) > room and wanted != least:
        widest = max(range(len(wanted)), key=lambda index: (wanted[index] > least[index], wanted[index]))
        wanted[widest] = max(least[widest], wanted[widest] - (sum(wanted) - room))
    return wanted


def _wrapped(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _at(lines: Sequence[str], number: int) -> str:
    return lines[number] if 0 <= number < len(lines) else ""


def _padded(table: Table, widths: Sequence[int], texts: Sequence[str]) -> list[str]:
    padded = []
    for column, width, text in zip(table.columns, widths, texts, strict=True):
        space = " " * (width - cell_len(text))
        padded.append(space + text if column.numeric else text + space)
    return padded
