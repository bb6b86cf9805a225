"""Against scipy.stats, and against numbers worked out by hand or taken from published tables."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, strategies as st
from scipy import stats

from seekcli.analysis.statistics import (
    Interval,
    equivalence_p_value,
    exact_sd,
    exact_variance,
    paired_difference,
    sample,
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
    # The p value and the interval never contradict one another.
    if abs(expected.pvalue - 0.05) > 1e-9:
        assert (0.0 in found.interval) == (expected.pvalue > 0.05)


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
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.values == pytest.approx((1.0, 1.1, 0.9))


def test_one_common_seed_says_nothing_about_noise() -> None:
    found = paired_difference("A", "B", {0: 99.0}, {0: 90.0})
    assert found is not None
    assert found.mean == 9.0
    assert (found.sd, found.interval, found.p_value, equivalence_p_value(found, 10.0)) == (None, None, None, None)


def test_equal_runs_are_identical() -> None:
    found = paired_difference("A", "B", by_seed(98.6, 98.8), by_seed(98.6, 98.8))
    assert found is not None
    assert (found.mean, found.p_value) == (0.0, None)


def test_differences_without_spread_are_no_proof() -> None:
    """Two seeds that both gain exactly one test image: rounding makes sd 1e-14, and t would be astronomic."""
    image = 100 / 360
    left, right = by_seed(355 * image, 350 * image), by_seed(354 * image, 349 * image)
    found = paired_difference("A", "B", left, right)
    assert found is not None
    assert found.mean == pytest.approx(image)
    assert (found.p_value, found.interval, equivalence_p_value(found, 1.0)) == (None, None, None)


@given(st.lists(st.tuples(accuracies, accuracies), min_size=3, max_size=10), st.floats(0.05, 20))
def test_equivalence_agrees_with_two_one_sided_tests_of_scipy(pairs: list[tuple[float, float]], margin: float) -> None:
    found = paired_difference("A", "B", by_seed(*(a for a, _ in pairs)), by_seed(*(b for _, b in pairs)))
    assert found is not None
    assert found.sd is not None
    if found.sd < 1e-6:
        return
    above = stats.ttest_1samp(found.values, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(found.values, margin, alternative="less").pvalue
    assert equivalence_p_value(found, margin) == pytest.approx(max(above, below), rel=1e-6, abs=1e-12)


def test_equivalence_by_hand() -> None:
    # Mean 0.1, sd 0.1, n = 4, margin 0.3: t = (0.3 - 0.1) / 0.05 = 4 on 3 degrees: p = 0.01400, from any table.
    found = paired_difference("A", "B", by_seed(0.0, 0.1, 0.1, 0.2), dict.fromkeys(range(4), 0.0))
    assert found is not None
    assert found.sd is not None
    scaled = 0.1 / found.sd
    values = {seed: 0.1 + (value - 0.1) * scaled for seed, value in enumerate((0.0, 0.1, 0.1, 0.2))}
    found = paired_difference("A", "B", values, dict.fromkeys(values, 0.0))
    assert found is not None
    assert equivalence_p_value(found, 0.3) == pytest.approx(0.01400, abs=5e-6)


def test_interval_holds_its_ends() -> None:
    assert 1.0 in Interval(1.0, 2.0)
    assert 2.1 not in Interval(1.0, 2.0)


@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=20))
def test_sd_is_that_of_the_standard_library_to_the_last_bit(values: list[float]) -> None:
    numerator, denominator = exact_variance(values)
    assert numerator / denominator == statistics.variance(values)
    assert exact_sd(values) == statistics.stdev(values)


def test_sd_of_what_is_no_number_is_none() -> None:
    assert math.isnan(exact_sd([1.0, math.inf]))
