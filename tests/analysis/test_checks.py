"""Other looks at a difference, against scipy and by counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from seekcli.analysis.checks import RESAMPLES, Checks, bootstrap_interval, sign_flip_p_value, welch_p_value
from seekcli.analysis.statistics import PairedDifference, paired_difference

LEFT, RIGHT = [92.1, 93.4, 91.7, 94.0], [91.0, 93.0, 92.5, 90.9]


def difference(left: list[float], right: list[float]) -> PairedDifference:
    found = paired_difference("A", "B", dict(enumerate(left)), dict(enumerate(right)))
    assert found is not None
    return found


def test_welch_and_correlation_agree_with_scipy() -> None:
    found = Checks(difference(LEFT, RIGHT))
    assert found.welch_p_value == pytest.approx(stats.ttest_ind(LEFT, RIGHT, equal_var=False).pvalue)
    assert found.seed_correlation == pytest.approx(stats.pearsonr(LEFT, RIGHT).statistic)


def test_welch_from_means_sds_and_n() -> None:
    expected = stats.ttest_ind_from_stats(92.83, 0.20, 5, 92.62, 0.17, 5, equal_var=False).pvalue
    assert welch_p_value(0.21, (0.20, 5), (0.17, 5)) == pytest.approx(expected)
    expected = stats.ttest_ind_from_stats(80.37, 0.08, 3, 79.92, 0.60, 3, equal_var=False).pvalue
    assert welch_p_value(0.45, (0.08, 3), (0.60, 3)) == pytest.approx(expected)


@settings(max_examples=30)
@given(st.lists(st.integers(-30, 30).map(lambda number: number / 10), min_size=1, max_size=7))
def test_sign_flip_counts_every_pattern(values: list[float]) -> None:
    patterns = list(itertools.product((1, -1), repeat=len(values)))
    sums = [abs(sum(sign * value for sign, value in zip(pattern, values, strict=True))) for pattern in patterns]
    expected = sum(one >= abs(sum(values)) - 1e-9 for one in sums) / len(patterns)
    assert sign_flip_p_value(values) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_sign_flip_has_a_floor(n: int) -> None:
    found = Checks(difference([1.0 + seed / 10 for seed in range(n)], [0.0] * n))
    assert found.sign_flip_p_value == found.sign_flip_floor == 2 / 2**n


def test_many_seeds_are_not_flipped() -> None:
    assert sign_flip_p_value([1.0] * 17) is None


def test_bootstrap_agrees_with_scipy() -> None:
    values = [0.1, 0.5, -0.2, 0.4, 0.9, 0.3]
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found == bootstrap_interval(values)


@pytest.mark.parametrize("n", [2, 3, 20])
def test_bootstrap_ends_are_quantiles_of_numpy_to_the_last_bit(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 0.5, n)
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    means = np.zeros(RESAMPLES)
    for which in range(n):
        means += (drawn == which).sum(axis=1) * (values[which] / n)
    low, high = np.quantile(means, [(1 - 0.95) / 2, (1 + 0.95) / 2])
    found = bootstrap_interval(values.tolist())
    assert (found.low, found.high) == (low, high)


def test_what_cannot_be_computed_is_none() -> None:
    one = Checks(difference([1.0], [0.0]))
    assert (one.welch_p_value, one.seed_correlation, one.bootstrap) == (None, None, None)
    same = Checks(difference([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]))
    assert (same.welch_p_value, same.seed_correlation, same.bootstrap) == (None, None, None)
