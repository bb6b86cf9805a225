"""The tables that terminal and markdown share: which rows and columns there are, and what stands in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.comparison import Options, compare_runs
from seekcli.report import page, tables
from seekcli.report.differences import difference_table, margin_note, precision_table
from seekcli.report.text import comparison_json
from seekcli.runs.scan import scan_runs

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
    assert tables.cell_title(cell) == "resnet20 on digits"
    assert tables.cell_settings(cell) == (
        "recipe digits, 20 epochs, batch 64, fp32 on cpu, 500 training images, optimizer.lr=0.3, augment.flip=true"
    )


def test_the_size_of_the_test_set_is_said(full: Results) -> None:
    (cell,) = full.compare().cells
    # sqrt(p (1 - p) / 1000) at 98.93 and at 97.50 %
    assert tables.test_set(cell) == (
        "1,000 test images: one is 0.1 points; sampling error of one accuracy 0.32 to 0.49 points"
    )
    full.add("base", seed=0, optimizer__lr=0.3, test_images=None)
    other = full.compare("optimizer.lr=0.3").cells[0]
    assert tables.test_set(other) == "the number of test images is not recorded"


def test_differences_stand_under_their_arm(full: Results) -> None:
    (cell,) = full.compare().cells
    table = difference_table(cell)
    assert table.title == "Paired differences in accuracy points, over 3 common seeds; as trained where not said"
    assert [column.header for column in table.columns] == [
        "difference", "points [95% interval]", "p", "adj. p", "word"
    ]  # fmt: skip
    assert [(row.cells[0], row.heading) for row in table.rows] == [
        ("loss k=2 identity", True),
        (" base - base alone", False),
        (" larger - larger alone", False),
        (" larger - its own base", False),
        (" larger - base alone", False),
        ("larger alone - base alone", False),
    ]
    # gains of 0.6, 0.3, 0.6: t = 5, p = 0.038 of the one primary comparison
    assert table.rows[1].cells[1:] == ("+0.50 [+0.07, +0.93]", "0.038", "0.038", "hint")
    assert table.rows[5].cells[4] == "exploratory"


def test_unequal_numbers_of_seeds_have_a_column(full: Results) -> None:
    full.add("base", seed=3, accuracy=98.1)
    full.add("motivated", seed=3, accuracy=98.9)
    (cell,) = full.compare().cells
    table = difference_table(cell)
    assert table.title == "Paired differences in accuracy points, over n common seeds; as trained where not said"
    assert [row.cells[1] for row in table.rows if not row.heading] == ["3", "3", "3", "3", "4"]


def test_what_the_seeds_can_show(full: Results) -> None:
    (cell,) = full.compare().cells
    table = precision_table(cell)
    assert table is not None
    assert table.title == "What the seeds can show with 80 % power in one test; sign-flip p is at least 0.250"
    assert [row.cells[0] for row in table.rows if not row.heading] == [
        " base - base alone",
        " larger - larger alone",
        " larger - its own base",
    ]
    # sd 0.1732, its interval by chi-square with 2 degrees
    assert table.rows[1].cells[1:] == ("0.17 [0.09, 1.09]", "5 [3, 106]", "0.57", "0.250")
    one_seed = full.compare("seed=0").cells[0]
    assert precision_table(one_seed) is None


def test_a_margin_below_one_test_image_is_said(results: Results) -> None:
    results.add("base", test_images=250)
    results.add(test_images=250)
    (cell,) = results.compare().cells
    assert margin_note(cell) == ["the margin of equivalence is 0.4 points here, one test image, and not 0.2"]
    wide = compare_runs(scan_runs([results.folder]), options=Options(margin=0.5)).cells[0]
    assert margin_note(wide) == []


def test_re_estimated_accuracies_have_a_column_where_there_are_some(results: Results) -> None:
    results.add("base", accuracy=98.0, columns={"test_accuracy_recalibrated_percent": 98.3})
    results.add(accuracy=(97.0, 80.0))
    (cell,) = results.compare().cells
    table = tables.accuracy_table(cell)
    assert [column.header for column in table.columns][3:5] == ["test accuracy %", "re-estimated %"]
    assert [row.cells[3:5] for row in table.rows if not row.heading] == [
        ("98.00 ± n/a", "98.30 ± n/a"),
        ("97.00 ± n/a", "n/a"),
        ("80.00 ± n/a", "n/a"),
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
    assert "ACC/F_Ratio is undefined: no base alone (X-C)" in page.cell_notes(cell)


def test_a_share_far_from_chance_is_marked(results: Results) -> None:
    for seed in range(3):
        results.add(seed=seed, motivated_steps=100 + seed, expected_share=0.16)
    (cell,) = results.compare().cells
    assert tables.share_table(cell).rows[0].cells[2] == "16.00% (outside)"
    assert tables.share_table(cell).columns[2].header == "expected by chance"


def test_a_share_that_a_schedule_fixes_is_not_called_chance(results: Results) -> None:
    results.add(motivation__condition="periodic", motivation__every_steps=6)
    results.add("grow", motivation__grow_at=0.8)
    comparison = results.compare()
    (cell,) = comparison.cells
    assert tables.share_table(cell).columns[2].header == "expected by schedule"
    arms = json.loads(comparison_json(comparison))["cells"][0]["arms"]
    assert [arm["expected_share_basis"] for arm in arms] == ["by its schedule"] * 2
    results.add()
    (cell,) = results.compare().cells
    assert tables.share_table(cell).columns[2].header == "expected"
    expected = ["16.00% by chance", "16.00% by schedule"]
    assert sorted({row.cells[2] for row in tables.share_table(cell).rows}) == expected


def test_only_what_can_be_said_is_tabled(results: Results) -> None:
    results.add("base")
    (cell,) = results.compare().cells
    assert len(page.cell_tables(cell)) == 1
    assert page.legend(results.compare()) == [page.NAMES, f"{page.ACCURACY} {page.SAMPLING}", page.COST]


def test_the_reading_notes_hold_the_numbers_of_the_report(full: Results) -> None:
    options = Options(margin=0.4, effect=0.5)
    notes = " ".join(page.legend(compare_runs(scan_runs([full.folder]), options=options)))
    assert "within 0.4 points (--margin" in notes
    assert "Seeds for 0.5 points (--effect)" in notes
    assert "base - base alone (1 such row, corrected together)" in notes


def test_a_ratio_over_noise_is_shown_as_words(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.9, 98.3, 98.8])
    results.add_seeds("alternating", [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)])
    (cell,) = results.compare().cells
    assert tables.efficiency_table(cell).rows[0].cells[-1] == "not meaningful"


def test_every_note_has_a_line(full: Results) -> None:
    full.add("base", seed=7)
    full.add(seed=8, state="stopped", accuracy=None)
    comparison = full.compare()
    lines = page.all_notes(comparison)
    assert any(line.startswith("resnet20-to-32 on digits: groups have different seeds") for line in lines)
    assert any(line.startswith("not counted, stopped: ") for line in lines)
