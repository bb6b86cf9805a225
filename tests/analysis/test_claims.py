"""The verdicts on the claims of the paper: never a stronger word than that of the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.claims import Answer, Claim, Question, alphas_of, claims_of
from seekcli.analysis.comparison import Comparison
from seekcli.analysis.power import decision, power, seeds_needed
from seekcli.analysis.verdicts import ALPHA, EXPLORATORY_ALPHA, QuestionFamily, Unsaid

if TYPE_CHECKING:
    from run_folders import Results

NOISE = (0.0, 0.02, -0.02, 0.01, -0.01)
PAPER = {"pair__init": "paper"}


def add(results: Results, schedule: str = "alternating", base: float = 97.0, larger: float | None = None, **settings):
    """Five seeds about an accuracy; of a run of both about two. No two kinds of runs have the same noise."""
    columns = settings.pop("columns", {})
    times = {"base": 1, "motivated": 2}.get(schedule, -3 if "motivation__condition" in settings else -1)
    for seed, noise in enumerate(NOISE):
        found = base + times * noise
        accuracy = found if larger is None else (found, larger + times * noise)
        results.add(schedule, seed=seed, accuracy=accuracy, columns=columns, **settings)


def claims(results: Results) -> dict[Question, Claim]:
    comparison = results.compare()
    (cell,) = comparison.cells
    return {claim.question: claim for claim in claims_of(comparison, cell)}


def with_baselines(results: Results) -> None:
    add(results, "base", columns={"train_flops": 2e11})
    add(results, "motivated", 97.5, columns={"train_flops": 8e11})


def test_both_better_and_cheaper_is_two_for_one(results: Results) -> None:
    with_baselines(results)
    add(results, base=98.0, larger=98.5)
    found = claims(results)
    assert {question: claim.answer for question, claim in found.items()} == {
        Question.BASE: Answer.YES,
        Question.LARGER: Answer.YES,
        Question.CHEAPER: Answer.YES,
        Question.CONDITION: Answer.NOT_TESTED,
        Question.TWO_FOR_ONE: Answer.YES,
    }
    (row,) = found[Question.CHEAPER].evidence
    assert (row.ratio, row.word, row.runs) == (2.0, "cheaper", 5)
    assert found[Question.BASE].needs is None
    assert "matched-count" in str(found[Question.CONDITION].needs)


def test_a_base_that_is_worse_is_no_and_what_is_not_read_is_no_yes(results: Results) -> None:
    with_baselines(results)
    add(results, base=96.0, larger=98.5)
    found = claims(results)
    assert found[Question.BASE].answer is Answer.NO
    assert found[Question.TWO_FOR_ONE].answer is Answer.NO
    assert found[Question.LARGER].answer is Answer.YES  # its arm's primary comparison is significant


def test_without_a_significant_base_the_larger_model_is_not_read(results: Results) -> None:
    with_baselines(results)
    for seed, accuracy in enumerate((96.0, 98.0, 97.0, 96.5, 97.6)):
        results.add(seed=seed, accuracy=(accuracy, 99.9))
    found = claims(results)
    assert found[Question.BASE].answer is Answer.UNDECIDED
    assert found[Question.LARGER].answer is Answer.NOT_TESTED
    assert [row.word for row in found[Question.LARGER].evidence] == ["not read"]
    assert str(found[Question.LARGER].needs).startswith("the base's question")
    assert "seeds for a true difference of 0.3 points" in str(found[Question.BASE].needs)


def test_one_arm_higher_and_one_lower_depends_on_the_arm(results: Results) -> None:
    with_baselines(results)
    add(results, base=98.0, larger=98.5)
    add(results, base=96.0, larger=96.5, **PAPER)
    found = claims(results)
    assert found[Question.BASE].answer is Answer.MIXED
    assert [row.word for row in found[Question.TWO_FOR_ONE].evidence] == ["yes", "no"]


def test_a_run_that_costs_more_than_larger_alone_is_no_two_for_one(results: Results) -> None:
    add(results, "base")
    add(results, "motivated", 97.5, columns={"train_flops": 3e11})
    add(results, base=98.0, larger=98.5)
    found = claims(results)
    assert found[Question.CHEAPER].answer is Answer.NO
    assert found[Question.TWO_FOR_ONE].answer is Answer.NO


def test_missing_baselines_are_named(results: Results) -> None:
    add(results, base=98.0, larger=98.5)
    found = claims(results)
    assert {claim.answer for claim in found.values()} == {Answer.NOT_TESTED}
    assert "--schedule base" in str(found[Question.BASE].needs)
    assert "--schedule motivated" in str(found[Question.CHEAPER].needs)


@pytest.mark.parametrize(("control_steps", "word"), [(64, "hint"), (200, "not as often")])
def test_a_control_has_the_same_count(results: Results, control_steps: int, word: str) -> None:
    with_baselines(results)
    add(results, base=98.0, larger=98.5)
    control = {"motivation__condition": "periodic", "motivation__every_steps": 6}
    add(results, base=90.0, larger=90.5, motivated_steps=control_steps, **control)
    found = claims(results)[Question.CONDITION]
    assert {row.word for row in found.evidence} == {word}
    assert found.answer is (Answer.HINT if word == "hint" else Answer.NOT_TESTED)
    for row in found.evidence:
        assert row.arm.startswith("loss")
        assert str(row.against).startswith("periodic")
        assert row.contrast is not None
        assert row.contrast.difference.mean == pytest.approx(8.0)  # the condition minus its control


def test_a_condition_of_two_seeds_is_not_tested(results: Results) -> None:
    for seed in (0, 1):
        results.add("base", seed=seed, accuracy=97.0)
        results.add(seed=seed, accuracy=(98.0 + seed, 98.5))
        control = {"motivation__condition": "periodic", "motivation__every_steps": 6}
        results.add(seed=seed, accuracy=(90.0, 90.5 + seed), **control)
    found = claims(results)[Question.CONDITION]
    assert {row.word for row in found.evidence} == {Unsaid.FEW_SEEDS}
    assert found.answer is Answer.NOT_TESTED
    assert found.needs


@pytest.mark.parametrize(("accuracy", "answer"), [(98.0, Answer.HINT), (96.0, Answer.HINT_OF_WORSE)])
def test_a_hint_of_few_seeds_has_the_direction_of_its_difference(
    results: Results, accuracy: float, answer: Answer
) -> None:
    results.add_seeds("base", [97.0, 97.1, 97.2])
    results.add_seeds("alternating", [accuracy + 0.01, accuracy + 0.1, accuracy + 0.21])
    found = claims(results)[Question.BASE]
    assert found.answer is answer
    assert str(found.needs).startswith("5 seeds")  # below 5 no word is stronger


def test_hints_both_ways(results: Results) -> None:
    results.add_seeds("base", [97.0, 97.1, 97.2])
    results.add_seeds("alternating", [98.01, 98.1, 98.21])
    results.add_seeds("alternating", [96.01, 96.1, 96.21], **PAPER)
    assert claims(results)[Question.BASE].answer is Answer.HINTS


def test_a_cell_without_a_run_of_both_asks_nothing(results: Results) -> None:
    with_baselines(results)
    comparison = results.compare()
    assert [claims_of(comparison, cell) for cell in comparison.cells] == [[]] * len(comparison.cells)


def test_power_is_that_of_the_corrected_test(results: Results) -> None:
    with_baselines(results)
    add(results, base=98.0, larger=98.5)
    add(results, base=96.0, larger=96.5, **PAPER)
    comparison = results.compare()
    alphas = alphas_of(comparison)
    rows = [one.family for one in comparison.cells[0].contrasts]
    assert alphas[QuestionFamily.PRIMARY] == ALPHA / 2
    assert alphas[QuestionFamily.EXPLORATORY] == EXPLORATORY_ALPHA / rows.count(QuestionFamily.EXPLORATORY)
    (claim, *_) = claims_of(comparison, comparison.cells[0])
    found = claim.evidence[0].decision
    assert found is not None
    assert claim.evidence[0].contrast is not None
    sd = claim.evidence[0].contrast.difference.sd
    assert found.power == power(5, 0.3 / sd, ALPHA / 2)
    assert found.seeds == seeds_needed(0.3, sd, ALPHA / 2)
    assert found.power_low <= found.power <= found.power_high
    assert found.seeds_low <= found.seeds <= found.seeds_high


def test_more_tests_need_more_seeds(results: Results) -> None:
    with_baselines(results)
    for seed, accuracy in enumerate((96.0, 98.0, 97.0, 96.5, 97.6)):
        results.add(seed=seed, accuracy=(accuracy, 99.9))
    one = results.compare().cells[0].contrasts[0]
    alone, among = (decision(one.difference, 0.3, alpha) for alpha in (0.05, 0.01))
    assert alone is not None
    assert among is not None
    assert alone.seeds < among.seeds
    assert alone.power > among.power
    assert decision(replace(one.difference, sd=0.0), 0.3, 0.05) is None


def test_the_order_of_paths_changes_nothing(results: Results) -> None:
    from seekcli.analysis.comparison import compare_runs
    from seekcli.runs.scan import scan_runs

    with_baselines(results)
    add(results, base=98.0, larger=98.5)
    add(results, base=96.0, larger=96.5, **PAPER)
    runs = scan_runs([results.folder])

    def words(comparison: Comparison) -> list[object]:
        return [claims_of(comparison, cell) for cell in comparison.cells]

    assert words(compare_runs(runs)) == words(compare_runs(runs[::-1]))
