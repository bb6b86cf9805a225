"""Against scipy.stats, and against numbers worked out by hand or taken from published tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st
from scipy import stats

from seekcli.analysis.statistics import (
    BEYOND,
    IDENTICAL,
    INSIDE,
    UNKNOWN,
    Interval,
    paired_difference,
    power,
    sample,
    seeds_needed,
)

accuracies = st.floats(0, 100).map(lambda value: round(value, 2))


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_mean_and_sd_by_hand() -> None:
    # 92, 94, 99: mean 95, squared deviations 9 + 1 + 16 = 26, over n - 1 = 2 is 13.
    summary = sample([92.0, 94.0, 99.0])
    assert (summary.n, summary.mean) == (3, 95.0)
    assert summary.sd == pytest.approx(math.sqrt(13))
    # t(0.975, 2 degrees) = 4.302653, from any table.
    half = 4.302653 * math.sqrt(13) / math.sqrt(3)
    assert summary.interval is not None
    assert (summary.interval.low, summary.interval.high) == pytest.approx((95 - half, 95 + half), rel=1e-6)


def test_one_value_has_no_spread() -> None:
    summary = sample([97.5])
    assert (summary.n, summary.mean, summary.sd, summary.interval) == (1, 97.5, None, None)


def test_no_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sample([])


@given(st.lists(accuracies, min_size=2, max_size=12))
def test_t_interval_agrees_with_scipy(values: list[float]) -> None:
    summary = sample(values)
    assert summary.interval is not None
    assert summary.sd is not None
    if summary.sd < 1e-9:
        return
    low, high = stats.t.interval(0.95, len(values) - 1, loc=summary.mean, scale=stats.sem(values))
    assert (summary.interval.low, summary.interval.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(accuracies, accuracies), min_size=2, max_size=10))
def test_paired_test_agrees_with_scipy(pairs: list[tuple[float, float]]) -> None:
    left, right = by_seed(*(a for a, _ in pairs)), by_seed(*(b for _, b in pairs))
    found = paired_difference("A", "B", left, right)
    assert found is not None
    assert found.sd is not None
    if found.sd < 1e-6:
        return
    expected = stats.ttest_rel(list(left.values()), list(right.values()))
    interval = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)
    # The statement, the p value and the interval never contradict one another.
    assert found.verdict == (BEYOND if expected.pvalue < 0.05 else INSIDE)
    if abs(expected.pvalue - 0.05) > 1e-9:
        assert (0.0 in found.interval) == (found.verdict == INSIDE)


def test_paired_difference_uses_common_seeds_alone() -> None:
    found = paired_difference("A", "B", {0: 10.0, 1: 12.0, 7: 99.0}, {1: 11.0, 0: 8.0, 3: 0.0})
    assert found is not None
    assert found.seeds == (0, 1)
    assert found.mean == pytest.approx(1.5)  # (10 - 8 + 12 - 11) / 2
    assert (found.left, found.right) == ("A", "B")


def test_no_common_seed() -> None:
    assert paired_difference("A", "B", {0: 1.0}, {1: 1.0}) is None


def test_pairing_removes_what_seeds_share() -> None:
    """Unpaired, a spread of 10 points hides a gain of 1; paired, it cannot."""
    found = paired_difference("A", "B", by_seed(81.0, 91.1, 100.9), by_seed(80.0, 90.0, 100.0))
    assert found is not None
    assert found.verdict == BEYOND


def test_one_common_seed_says_nothing_about_noise() -> None:
    found = paired_difference("A", "B", {0: 99.0}, {0: 90.0})
    assert found is not None
    assert (found.mean, found.verdict) == (9.0, UNKNOWN)
    assert (found.sd, found.interval, found.p_value, found.seeds_needed) == (None, None, None, None)


def test_equal_runs_are_identical() -> None:
    found = paired_difference("A", "B", by_seed(98.6, 98.8), by_seed(98.6, 98.8))
    assert found is not None
    assert (found.verdict, found.p_value, found.seeds_needed) == (IDENTICAL, None, None)


def test_differences_without_spread_are_no_proof() -> None:
    """Two seeds that both gain exactly one test image: rounding makes sd 1e-14, and t would be astronomic."""
    image = 100 / 360
    left, right = by_seed(355 * image, 350 * image), by_seed(354 * image, 349 * image)
    found = paired_difference("A", "B", left, right)
    assert found is not None
    assert found.mean == pytest.approx(image)
    assert (found.verdict, found.p_value, found.interval) == (UNKNOWN, None, None)


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_seeds_needed_agrees_with_published_tables(effect: float, seeds: int) -> None:
    """G*Power 3.1, paired t test, two-sided, alpha 0.05, power 0.80."""
    assert seeds_needed(effect, 1.0) == seeds
    assert seeds_needed(-0.3 * effect, 0.3) == seeds


@pytest.mark.parametrize(("n", "effect"), [(2, 3.0), (5, 0.3), (34, 0.5), (100, 0.01), (10, 0.0)])
def test_power_agrees_with_scipy(n: int, effect: float) -> None:
    critical, noncentrality = stats.t.ppf(0.975, n - 1), effect * math.sqrt(n)
    expected = stats.nct.sf(critical, n - 1, noncentrality) + stats.nct.cdf(-critical, n - 1, noncentrality)
    assert power(n, effect) == pytest.approx(expected, rel=1e-9)


@given(st.floats(0.01, 500), st.floats(1.0, 3.0))
def test_a_larger_effect_never_needs_more_seeds(effect: float, factor: float) -> None:
    small, large = seeds_needed(effect, 1.0), seeds_needed(effect * factor, 1.0)
    assert small is not None
    assert large is not None
    assert 2 <= large <= small


def test_many_seeds_are_counted_by_the_normal_approximation() -> None:
    # ((1.959964 + 0.841621) / 0.001) ** 2 = 7848879.9 from tables of the normal distribution
    assert seeds_needed(0.001, 1.0) == pytest.approx(7_848_880, rel=1e-5)


def test_no_effect_needs_no_number() -> None:
    assert seeds_needed(0.0, 1.0) is None


def test_interval_holds_its_ends() -> None:
    assert 1.0 in Interval(1.0, 2.0)
    assert 2.1 not in Interval(1.0, 2.0)
