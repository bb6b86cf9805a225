"""The tables that terminal and markdown share: which rows and columns there are, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.report import tables

if TYPE_CHECKING:
    from run_folders import Results


@pytest.fixture
def full(results: Results) -> Results:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.5, 98.8, 99.5])
    results.add_seeds("alternating", [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)])
    return results


def test_heading_names_what_the_numbers_depend_on(results: Results) -> None:
    results.add("base", data__limit_train=500, optimizer__lr=0.3, augment__flip=True)
    (cell,) = results.compare().cells
    assert tables.cell_title(cell) == "resnet20-to-32 on digits"
    assert tables.cell_settings(cell) == (
        "recipe digits, 20 epochs, batch 64, fp32 on cpu, 500 training images, optimizer.lr=0.3, augment.flip=true"
    )


def test_differences_stand_under_their_arm(full: Results) -> None:
    (cell,) = full.compare().cells
    rows = [(row.cells[0], row.heading) for row in tables.difference_table(cell).rows]
    assert rows == [
        ("loss k=2 identity", True),
        ("  X-Y-B - X-C", False),
        ("  X-Y-M - X-C", False),
        ("  X-Y-M - Y-C", False),
        ("Y-C - X-C", False),
    ]


def test_efficiency_row(results: Results) -> None:
    results.add("base", accuracy=98.0)
    results.add("motivated", accuracy=99.0)
    results.add(accuracy=(98.5, 97.0), motivated_steps=80)
    (cell,) = results.compare().cells
    (row,) = tables.efficiency_table(cell).rows
    assert row.cells == ("loss k=2 identity", "+0.50", "+1.00", "1.25", "0.5", "2.5")
    (row,) = tables.share_table(cell).rows
    assert row.cells == ("loss k=2 identity", "20.00% [n/a]", "16.00%", "2.00", "2.40", "4.00")


def test_undefined_is_a_word_with_a_reason(results: Results) -> None:
    results.add(accuracy=(98.5, 97.0))
    (cell,) = results.compare().cells
    (row,) = tables.efficiency_table(cell).rows
    assert row.cells[1:] == ("undefined",) * 5
    assert "ACC/F_Ratio is undefined: no X-C" in tables.cell_notes(cell)


def test_a_share_far_from_chance_is_marked(results: Results) -> None:
    for seed in range(3):
        results.add(seed=seed, motivated_steps=100 + seed, expected_share=0.16)
    (cell,) = results.compare().cells
    assert tables.share_table(cell).rows[0].cells[2] == "16.00% (outside)"


def test_only_what_can_be_said_is_tabled(results: Results) -> None:
    results.add("base")
    (cell,) = results.compare().cells
    assert len(tables.cell_tables(cell)) == 1
    assert tables.legend(results.compare()) == list(tables.LEGEND)


def test_every_note_has_a_line(full: Results) -> None:
    full.add("base", seed=7)
    full.add(seed=8, state="stopped", accuracy=None)
    comparison = full.compare()
    lines = tables.all_notes(comparison)
    assert any(line.startswith("resnet20-to-32 on digits: groups have different seeds") for line in lines)
    assert any(line.startswith("not counted, stopped: ") for line in lines)
