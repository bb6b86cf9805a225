"""Tables as lines: names wrap, numbers never, and the name of an arm has the whole line."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from seekcli.report.layout import lines_of
from seekcli.report.tables import Column, Table, TableRow

NAME = "loss k=2 identity differential_lr_factor=10"
TABLE = Table(
    "A table",
    (Column("difference", numeric=False), Column("points [95% interval]"), Column("p"), Column("word", numeric=False)),
    (
        TableRow((NAME,), heading=True),
        TableRow((" larger - larger alone, re-estimated", "+0.54 [-0.40, +1.48]", "0.184", "not read")),
        TableRow(("名 - 前", "+10.25", "1.000", "higher")),
    ),
)


def lines(width: int) -> list[str]:
    gap, laid_out = lines_of(TABLE, width)
    return [gap.join(cells).rstrip() for _, cells in laid_out]


def test_a_wide_table_has_one_line_a_row() -> None:
    assert lines(100)[2:5] == [
        "─" * 75,
        NAME,
        " larger - larger alone, re-estimated  +0.54 [-0.40, +1.48]  0.184  not read",
    ]


def test_a_narrow_one_wraps_names_and_keeps_what_belongs_to_them_on_the_last_line() -> None:
    assert max(map(len, lines(60))) <= 60
    assert lines(60)[4:6] == [" larger - larger", " alone, re-estimated   +0.54 [-0.40, +1.48]  0.184  not read"]


@pytest.mark.parametrize("width", [1, 20, 40, 60, 200])
def test_numbers_are_whole_at_every_width(width: int) -> None:
    shown = "\n".join(lines(width))
    assert all(number in shown for number in ("+0.54 [-0.40, +1.48]", "0.184", "+10.25", "1.000"))


def test_letters_of_double_width_keep_the_columns_straight() -> None:
    *_, row = lines(100)
    other = next(line for line in lines(100) if "0.184" in line)
    assert row.index("1.000") + 2 == other.index("0.184")  # two letters, each of two columns


def test_columns_stand_closer_where_the_table_fits_only_so() -> None:
    narrow = next(width for width in range(1, 100) if max(map(cell_len, lines(width))) <= width)
    assert max(map(cell_len, lines(narrow))) == narrow
    assert any("+0.54 [-0.40, +1.48] 0.184 not read" in line for line in lines(narrow))
    assert any("+0.54 [-0.40, +1.48]  0.184  not read" in line for line in lines(narrow + 3))
