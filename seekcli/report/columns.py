"""Plain aligned columns: the same on a terminal and in a pipe, and easy to grep."""

from __future__ import annotations

from collections.abc import Sequence

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
