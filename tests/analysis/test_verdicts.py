"""Words and families: each rule by itself, and how often a report without any effect says a false word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtr

from seekcli.analysis.verdicts import (
    EQUIVALENT,
    HIGHER,
    HINT,
    LOWER,
    UNDECIDED,
    Hypothesis,
    QuestionFamily,
    Unsaid,
    holm,
    judge,
)

PRIMARY, SECOND, EXPLORATORY = QuestionFamily.PRIMARY, QuestionFamily.SECOND, QuestionFamily.EXPLORATORY
NO_FALSE_WORD = {None, UNDECIDED, EQUIVALENT}


def claim(family: QuestionFamily = PRIMARY, p: float | None = 0.5, **changes: Any) -> Hypothesis:
    usual = Hypothesis(
        family, arm="a", n=5, mean=0.4, p_value=p, equivalence_p_value=0.9, margin=0.2
    )  # fmt: skip
    return replace(usual, **changes)


def words(*report: Hypothesis) -> list[str | None]:
    return [verdict.word for verdict in judge(report)]


def test_holm_by_hand() -> None:
    # 0.01 x 3, 0.02 x 2, and 0.03 x 1, which may not be below the one before it.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("p", "equivalence_p", "mean", "word"),
    [
        (0.01, 0.9, 0.4, HIGHER),
        (0.01, 0.9, -0.4, LOWER),
        (0.9, 0.01, 0.0, EQUIVALENT),
        (0.01, 0.01, 0.1, "higher, within 0.2"),
        (0.01, 0.01, -0.1, "lower, within 0.2"),
        (0.051, 0.051, 0.4, UNDECIDED),
        (None, None, 0.4, UNDECIDED),
    ],
)
def test_the_words(p: float | None, equivalence_p: float | None, mean: float, word: str) -> None:
    assert words(claim(p=p, equivalence_p_value=equivalence_p, mean=mean)) == [word]


def test_the_margin_that_was_used_is_named() -> None:
    assert words(claim(p=0.01, equivalence_p_value=0.01, margin=100 / 360)) == ["higher, within 0.28"]


@pytest.mark.parametrize(
    ("n", "significant", "else_"),
    [(2, None, None), (3, HINT, UNDECIDED), (4, HINT, UNDECIDED), (5, HIGHER, EQUIVALENT)],
)
def test_few_seeds_say_little(n: int, significant: str | None, else_: str | None) -> None:
    assert words(claim(p=0.001, n=n)) == [significant]
    assert words(claim(p=0.9, equivalence_p_value=0.001, n=n)) == [else_]


def test_below_3_seeds_nothing_is_said_and_no_family_is_joined() -> None:
    few, enough = judge([claim(p=0.001, n=2), claim(p=0.03, arm="b")])
    assert (few.unsaid, few.p_adjusted) == (Unsaid.FEW_SEEDS, None)
    assert enough.p_adjusted == 0.03


def test_words_follow_the_corrected_p_value() -> None:
    two = judge([claim(p=0.03), claim(p=0.04, arm="b")])
    assert [one.word for one in two] == [UNDECIDED, UNDECIDED]
    assert [one.p_adjusted for one in two] == pytest.approx([0.06, 0.06])
    assert words(claim(p=0.02), claim(p=0.04, arm="b")) == [HIGHER, HIGHER]


def test_a_comparison_without_spread_counts_in_its_family() -> None:
    assert [one.p_adjusted for one in judge([claim(p=0.03), claim(p=None, arm="b")])] == pytest.approx([0.06, 1.0])


def test_equivalence_is_corrected_too() -> None:
    pair = [claim(equivalence_p_value=0.03), claim(equivalence_p_value=0.9, arm="b")]
    assert words(*pair) == [UNDECIDED, UNDECIDED]
    assert words(pair[0]) == [EQUIVALENT]


def test_the_second_family_is_read_where_its_arms_primary_is_significant() -> None:
    report = [
        claim(p=0.001), claim(SECOND, 0.001), claim(SECOND, 0.4, equivalence_p_value=0.001),
        claim(p=0.8, arm="b"), claim(SECOND, 0.001, arm="b"),
    ]  # fmt: skip
    found = judge(report)
    assert [one.word for one in found] == [HIGHER, HIGHER, EQUIVALENT, UNDECIDED, None]
    assert found[4].unsaid is Unsaid.NOT_READ
    # What is not read counts in the correction all the same, and so keeps its p value.
    assert found[1].p_adjusted == found[4].p_adjusted == pytest.approx(0.003)


def test_equivalence_can_be_asked_for_where_differences_are_not_read() -> None:
    _, second = judge([claim(p=0.8), claim(SECOND, 0.8, equivalence_p_value=0.01)])
    assert second.word is None
    assert second.equivalent


def test_an_exploratory_row_is_at_most_a_hint() -> None:
    assert words(claim(EXPLORATORY, 0.002)) == [HINT]
    (one,) = judge([claim(EXPLORATORY, 0.003, equivalence_p_value=0.001)])
    assert (one.word, one.unsaid) == (None, Unsaid.EXPLORATORY)
    assert words(claim(EXPLORATORY, 0.002), claim(EXPLORATORY, 0.9)) == [None, None]
    assert words(claim(p=0.04), claim(EXPLORATORY, 0.9)) == [HIGHER, None]


# --- a report without any effect ---


def t_tests(differences: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, two-sided p values and those of equivalence; differences are [report, seed]."""
    n = differences.shape[1]
    mean, error = differences.mean(axis=1), differences.std(axis=1, ddof=1) / np.sqrt(n)
    two_sided = 2 * stdtr(n - 1, -np.abs(mean / error))
    equivalence = np.maximum(stdtr(n - 1, -(mean + margin) / error), stdtr(n - 1, (mean - margin) / error))
    return mean, two_sided, equivalence


def null_reports(repetitions: int, n: int, arms: int, sd: float = 0.3) -> list[list[Hypothesis]]:
    """Reports of one cell in which all models are equally good: 2 groups of classic runs, and 2 of each arm."""
    rng = np.random.default_rng(n)
    groups = rng.normal(0.0, sd, (2 + 2 * arms, repetitions, n))
    x_c, y_c = groups[:2]
    rows: list[tuple[QuestionFamily, int, np.ndarray]] = [(EXPLORATORY, -1, y_c - x_c)]
    for arm in range(arms):
        base, motivated = groups[2 + 2 * arm : 4 + 2 * arm]
        rows += [(PRIMARY, arm, base - x_c), (SECOND, arm, motivated - y_c), (SECOND, arm, motivated - base)]
        rows.append((EXPLORATORY, arm, motivated - x_c))
    tests = [(family, arm, *t_tests(values, 0.2)) for family, arm, values in rows]
    return [
        [
            Hypothesis(family, arm, n, float(mean[i]), float(p[i]), float(equivalence[i]), 0.2)
            for family, arm, mean, p, equivalence in tests
        ]
        for i in range(repetitions)
    ]


def false_words(reports: list[list[Hypothesis]]) -> float:
    """The share of reports that say anything but undecided or equivalent; a hint counts."""
    return float(np.mean([bool({one.word for one in judge(report)} - NO_FALSE_WORD) for report in reports]))


@pytest.mark.slow
@pytest.mark.parametrize("arms", [1, 2, 5])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_report_without_effect_says_a_false_word_in_at_most_5_5_percent(n: int, arms: int) -> None:
    assert false_words(null_reports(20_000, n, arms)) <= 0.055


@pytest.mark.parametrize("n", [3, 5, 10])
def test_few_reports_without_effect_say_a_false_word(n: int) -> None:
    """The same with 2,000 repetitions: 5.25 % and three standard errors of the simulation."""
    reports = null_reports(2_000, n, arms=2)
    assert 0.02 < false_words(reports) < 0.0525 + 3 * (0.05 * 0.95 / 2_000) ** 0.5
    uncorrected = np.mean([any(one.p_value is not None and one.p_value < 0.05 for one in report) for report in reports])
    assert uncorrected > 0.2  # what the correction is for: 9 tests at 0.05 each
