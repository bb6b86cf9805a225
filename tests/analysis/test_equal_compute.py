"""X-C= and Y-C=: which baselines have an arm's training compute, and what is compared with them."""

from __future__ import annotations

import pytest
from run_folders import Results

from seekcli.analysis.prices import prices
from seekcli.analysis.verdicts import QuestionFamily
from seekcli.report.tables import accuracy_table

ARM, X, Y = 4.4e11, 4.0e11, 7.0e11


def cost(flops):
    return {"train_flops": flops}


@pytest.fixture
def folder(results: Results) -> Results:
    """Three seeds of an arm and of its four baselines."""
    results.add_seeds("alternating", [(98.0, 98.5), (98.2, 98.4), (98.4, 98.9)], columns=cost(ARM))
    results.add_seeds("base", [97.0, 97.5, 97.4], columns=cost(X))
    results.add_seeds("motivated", [98.0, 98.1, 98.3], columns=cost(Y))
    results.add_seeds("base", [97.9, 98.3, 98.1], columns=cost(ARM * 1.004), train__steps=440)
    results.add_seeds("motivated", [97.0, 97.6, 97.7], columns=cost(ARM * 0.997), train__steps=250)
    return results


def the_cell(comparison):
    (cell,) = comparison.cells
    return cell


def test_they_are_joined_and_make_no_cell_of_their_own(folder: Results) -> None:
    cell = the_cell(folder.compare())
    assert [group.name for group in cell.groups] == ["X-C", "X-Y-B", "X-Y-M", "X-C=", "Y-C=", "Y-C"]
    (arm,) = cell.arms
    rows = {(one.difference.left, one.difference.right): one for one in cell.contrasts}
    equal = rows["X-Y-B", "X-C="]
    assert (equal.family, equal.arm) == (QuestionFamily.EXPLORATORY, arm.label)
    assert equal.difference.mean == pytest.approx(0.1)
    assert rows["X-Y-M", "Y-C="].difference.mean == pytest.approx(3.5 / 3)
    # The primary family stays what it is: another question does not move its p.
    assert [one.difference.right for one in cell.contrasts if one.family is QuestionFamily.PRIMARY] == ["X-C"]


def test_prices_are_ratios_of_what_was_spent(folder: Results) -> None:
    cell = the_cell(folder.compare())
    found = prices(cell, cell.arms[0])
    assert found.x_c_over_arm == pytest.approx(X / ARM)
    assert found.x_c_equal_over_arm == pytest.approx(1.004)
    assert found.y_c_equal_over_arm == pytest.approx(0.997)
    assert found.arm_over_both_train_flops == pytest.approx(ARM / (X + Y))
    assert found.arm_over_both_seconds == pytest.approx(0.5)
    assert found.f_y_over_f_xy == pytest.approx(4.0 / 2.32)


@pytest.mark.parametrize(
    ("flops", "settings"),
    [
        (ARM * 1.011, {"train__steps": 445}),
        (ARM * 0.989, {"train__steps": 435}),
        (ARM, {"train__steps": 440, "optimizer__lr": 0.05}),
    ],
)
def test_another_cost_or_another_setting_is_no_equal_compute(results: Results, flops, settings) -> None:
    results.add_seeds("alternating", [(98.0, 98.5)], columns=cost(ARM))
    results.add_seeds("base", [97.0], columns=cost(flops), **settings)
    cells = results.compare().cells
    assert [group.name for cell in cells for group in cell.groups] == ["X-Y-B", "X-Y-M", "X-C"]
    said = [
        note
        for note in cells[0].notes
        if note.startswith("no base alone, equal compute (X-C=) for loss k=2 identity: resnet20 trained for")
    ]
    assert len(said) == ("optimizer__lr" not in settings)
    assert all(f"cost {flops / ARM:.3f} of the arm" in note and "--match-from" in note for note in said)


def test_one_note_names_all_the_arms_that_a_baseline_missed(results: Results) -> None:
    for k in (2, 3, 4, 5):
        results.add_seeds("alternating", [(98.0, 98.5)], columns=cost(ARM + k), motivation__k=k)
    results.add_seeds("base", [97.0], columns=cost(ARM * 1.5), train__steps=660)
    said = [note for note in results.compare().cells[0].notes if "X-C=" in note]
    assert len(said) == 1
    assert "; 1 more: resnet20 trained for 660 steps cost 1.500 of these 4 arms" in said[0]


def test_no_step_is_advised_where_none_is_nearer(results: Results) -> None:
    """One step of 20 is 5 % of the cost, and 20 steps are the nearest to what 20.4 would cost."""
    results.add_seeds("alternating", [(98.0, 98.5)], columns=cost(ARM))
    results.add_seeds("base", [97.0], columns=cost(ARM * 20 / 20.4), train__steps=20)
    said = [note for note in results.compare().cells[0].notes if "X-C=" in note]
    assert len(said) == 1
    assert said[0].endswith("cost 0.980 of the arm; a run of one step more or less is no nearer")


def test_of_two_the_nearest_in_cost_is_taken(results: Results) -> None:
    results.add_seeds("alternating", [(98.0, 98.5)], columns=cost(ARM))
    results.add_seeds("base", [97.0], columns=cost(ARM * 0.992), train__steps=436)
    results.add_seeds("base", [98.0], columns=cost(ARM * 1.003), train__steps=441)
    assert results.compare().cells[0].arms[0].x_c_equal.final.mean == 98.0


def test_where_keeps_the_baselines_of_what_it_keeps(folder: Results) -> None:
    for condition in ("k=2", "epochs=20", "seed=0"):
        names = [group.name for group in the_cell(folder.compare(condition)).groups]
        assert names == ["X-C", "X-Y-B", "X-Y-M", "X-C=", "Y-C=", "Y-C"], condition


def test_arms_that_differ_in_one_setting_are_compared_by_seed(results: Results) -> None:
    results.add_seeds("alternating", [(98.0, 98.5), (98.2, 98.4)])
    results.add_seeds("alternating", [(97.0, 98.0), (97.1, 98.1)], motivation__k=3)
    results.add_seeds("alternating", [(96.0, 98.0), (96.1, 98.1)], motivation__k=3, pair__init="paper")
    found = [one for one in the_cell(results.compare()).contrasts if "(" in one.difference.left]
    assert {one.family for one in found} == {QuestionFamily.EXPLORATORY}
    means = {(one.difference.left, one.difference.right): one.difference.mean for one in found}
    assert means["X-Y-B (loss k=2 identity)", "X-Y-B (loss k=3 identity)"] == pytest.approx(1.05)
    assert means["X-Y-B (loss k=3 identity)", "X-Y-B (loss k=3 paper)"] == pytest.approx(1.0)
    assert len(means) == 4  # not k=2 identity against k=3 paper: two settings


def test_the_base_of_a_growing_run_is_no_test(folder: Results) -> None:
    alternating = [one for one in the_cell(folder.compare()).contrasts if one.family is not QuestionFamily.EXPLORATORY]
    grow = {"schedule": "grow", "columns": cost(ARM), "motivated_steps": 80}
    for seed, base in enumerate([97.0, 97.5, 97.4]):
        folder.add(seed=seed, accuracy=(base, 98.0 + seed / 10), **grow, motivation__grow_at=0.8)
        folder.add(seed=seed, accuracy=(base, 97.0 + seed / 10), **grow, motivation__grow_at=0.6)
    cell = the_cell(folder.compare())
    rows = [one for one in cell.contrasts if one.arm is not None and one.arm.startswith("grow at=0.8")]
    assert {one.family for one in rows} == {QuestionFamily.EXPLORATORY}
    assert [(one.difference.left, one.difference.right) for one in rows] == [
        ("X-Y-M", "Y-C"),
        ("X-Y-M", "X-Y-B"),
        ("X-Y-B", "X-C="),
        ("X-Y-M", "Y-C="),
    ]
    between = [one.difference.left for one in cell.contrasts if one.arm is None and "(grow" in one.difference.left]
    assert between == ["X-Y-M (grow at=0.8 identity)"]
    # The families that words follow from are what they were without it.
    assert [one for one in cell.contrasts if one.family is not QuestionFamily.EXPLORATORY] == alternating
    assert sum("no test and in no family" in note for note in cell.notes) == 2
    shown = [row.cells[0] for row in accuracy_table(cell).rows]
    assert shown.count(" larger, branched off") == 2
    assert shown.count(" larger, alternating") == 1
