"""What seeds can show: against scipy and published tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st
from scipy import stats

from seekcli.analysis.power import power, precision, sd_interval, seeds_needed, smallest_effect
from seekcli.analysis.statistics import paired_difference


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
    assert 2 <= seeds_needed(effect * factor, 1.0) <= seeds_needed(effect, 1.0)


def test_many_seeds_are_counted_by_the_normal_approximation() -> None:
    # ((1.959964 + 0.841621) / 0.001) ** 2 = 7848879.9 from tables of the normal distribution
    assert seeds_needed(0.001, 1.0) == pytest.approx(7_848_880, rel=1e-5)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.3, 0.0)])
def test_no_effect_and_no_spread_are_errors(mean: float, sd: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        seeds_needed(mean, sd)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 50])
def test_the_smallest_effect_is_found_with_80_percent_power(n: int) -> None:
    assert power(n, smallest_effect(n)) == pytest.approx(0.8, abs=1e-5)


def test_the_interval_of_an_sd_is_that_of_the_chi_square_distribution() -> None:
    # n = 5, sd 1: sqrt(4 / 11.143) and sqrt(4 / 0.4844), quantiles from any table.
    found = sd_interval(5, 1.0)
    assert (found.low, found.high) == pytest.approx((0.5991, 2.8736), abs=2e-4)
    expected = [math.sqrt(2 * 0.3**2 / stats.chi2.ppf(q, 2)) for q in (0.975, 0.025)]
    assert (sd_interval(3, 0.3).low, sd_interval(3, 0.3).high) == pytest.approx(expected)


def test_precision_follows_from_the_sd_and_never_from_the_mean() -> None:
    small = paired_difference("A", "B", {0: 0.1, 1: 0.4, 2: 0.7}, dict.fromkeys(range(3), 0.0))
    large = paired_difference("A", "B", {0: 9.1, 1: 9.4, 2: 9.7}, dict.fromkeys(range(3), 0.0))
    assert small is not None
    assert large is not None
    found, other = precision(small, 0.3), precision(large, 0.3)
    assert found is not None
    assert other is not None
    assert (found.seeds, found.seeds_low, found.seeds_high) == (other.seeds, other.seeds_low, other.seeds_high)
    assert found.seeds == seeds_needed(0.3, 0.3) == 10
    assert found.seeds_low < found.seeds < found.seeds_high
    assert found.seeds_high == seeds_needed(0.3, found.sd_interval.high)
    assert power(3, found.smallest_difference / 0.3) == pytest.approx(0.8, abs=1e-4)


def test_without_spread_there_is_no_answer() -> None:
    found = paired_difference("A", "B", {0: 1.0, 1: 1.0}, {0: 0.0, 1: 0.0})
    assert found is not None
    assert precision(found, 0.3) is None
