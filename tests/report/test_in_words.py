"""The first screen: which model, how much better, sure or not, at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.report.in_words import NOTHING, in_words
from seekcli.report.terminal import print_comparison

if TYPE_CHECKING:
    from run_folders import Results


def said(results: Results) -> list[str]:
    return [line for _, lines in in_words(results.compare()) for line in lines]


def baselines(results: Results) -> None:
    results.add_seeds("base", [97.0, 97.1, 97.2, 97.3, 97.4], columns={"train_flops": 2e11})
    results.add_seeds("motivated", [98.0, 98.3, 98.2, 98.1, 98.4], columns={"train_flops": 8e11})


def test_one_arm_has_its_numbers_and_its_cost(results: Results) -> None:
    baselines(results)
    results.add_seeds("alternating", [(98.0, 98.5), (98.2, 98.6), (98.1, 98.8), (98.4, 98.7), (98.3, 98.9)])
    base, larger, cost = said(results)
    assert base.startswith("base, alternating, against base alone: higher, +1.00 [")
    assert base.endswith("points, 5 seeds")
    assert larger.startswith("larger, alternating, against larger alone: ")
    assert cost == (
        "cost of one run of both models: 2.00 times that of base alone, 0.50 times that of larger alone, "
        "0.40 times that of both alone (training FLOPs)"
    )


def test_an_undecided_arm_says_what_its_seeds_would_have_shown(results: Results) -> None:
    baselines(results)
    results.add_seeds("alternating", [(96.0, 98.5), (98.2, 98.6), (97.1, 98.8), (98.4, 98.7), (96.3, 98.9)])
    assert "undecided, " in said(results)[0]
    assert "which find a true difference of" in said(results)[0]
    assert "not read" in said(results)[1]


def test_of_many_arms_the_decided_are_named_and_the_others_counted(results: Results) -> None:
    baselines(results)
    results.add_seeds("alternating", [(94.0, 98.5), (94.2, 98.6), (94.1, 98.8), (94.4, 98.7), (94.3, 98.9)])
    for k in (3, 4):
        accuracies = [(96.0 + k / 10, 98.5), (98.2, 98.6), (97.1, 98.8), (98.4, 98.7), (96.3, 98.9)]
        results.add_seeds("alternating", accuracies, motivation__k=k)
    base = said(results)[0]
    assert "lower in 1 of 3 arms (loss k=2 identity: -3.00 [" in base
    assert "undecided in 2 (" in base


@pytest.mark.parametrize(("again", "is_said"), [(97.1, True), (94.1, False)])
def test_a_base_that_is_lower_by_old_statistics_alone_is_told(results: Results, again: float, is_said: bool) -> None:
    key = "test_accuracy_recalibrated_percent"
    for seed in range(3):
        more = seed / 10
        results.add("base", accuracy=97.0 + more, seed=seed, columns={key: 97.0 + more})
        columns = {key: {"base": again + more, "motivated": 97.0}}
        results.add(accuracy=(94.0 + more + seed**2 / 100, 97.0), seed=seed, columns=columns)
    told = [line for line in said(results) if "estimated again" in line]
    assert len(told) == is_said
    assert all("(loss k=2 identity: +0.10" in line for line in told)


def test_many_cells_are_counted(results: Results) -> None:
    for lr in (0.1, 0.2, 0.3, 0.4, 0.5):
        results.add_seeds("base", [97.0, 97.1, 97.2], optimizer__lr=lr)
        results.add_seeds("alternating", [(96.0, 96.0), (97.5, 97.0), (98.0, 97.0)], optimizer__lr=lr)
    ((title, lines),) = in_words(results.compare())
    assert title == "5 comparisons"
    assert lines[0].startswith("base against base alone, over all of them: undecided in 5 of 5 arms")


def test_cells_of_one_title_are_told_apart(results: Results) -> None:
    for lr in (0.1, 0.2):
        results.add_seeds("base", [97.0, 97.1, 97.2], optimizer__lr=lr)
        results.add_seeds("alternating", [(96.0, 96.0), (97.5, 97.0), (98.0, 97.0)], optimizer__lr=lr)
    titles = [title for title, _ in in_words(results.compare())]
    assert titles == ["resnet20-to-32 on digits, optimizer.lr=0.1", "resnet20-to-32 on digits, optimizer.lr=0.2"]


def test_nothing_to_compare_is_said(results: Results) -> None:
    results.add("base")
    assert said(results) == [NOTHING]


def test_words_stand_before_the_tables(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    baselines(results)
    results.add_seeds("alternating", [(98.0, 98.5), (98.2, 98.6), (98.1, 98.8), (98.4, 98.7), (98.3, 98.9)])
    print_comparison(results.compare())
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "In words: resnet20-to-32 on digits"
    assert lines[3].startswith("- base, alternating, against base alone: higher, +1.00 [")
    assert lines.index("resnet20-to-32 on digits") > 5
