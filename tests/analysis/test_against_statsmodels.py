"""Holm, equivalence and power against statsmodels, which takes seconds to import."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seekcli.analysis.power import power, seeds_needed
from seekcli.analysis.statistics import equivalence_p_value, paired_difference
from seekcli.analysis.verdicts import holm

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_holm(count: int) -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(count).random(count) ** 3
    assert holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-9)
    tied = [0.01] * count
    assert holm(tied) == pytest.approx(multipletests(tied, method="holm")[1], rel=1e-9)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("margin", [0.1, 0.2, 1.0])
def test_equivalence(n: int, margin: float) -> None:
    from statsmodels.stats.weightstats import ttost_paired

    left, right = 98 + 0.3 * np.random.default_rng(n).normal(size=(2, n))
    found = paired_difference("A", "B", dict(enumerate(left.tolist())), dict(enumerate(right.tolist())))
    assert found is not None
    expected, _, _ = ttost_paired(left, right, -margin, margin)
    assert equivalence_p_value(found, margin) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "effect"), [(3, 1.0), (5, 0.5), (10, 1.2), (40, 0.3)])
def test_power(n: int, effect: float) -> None:
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().power(effect, n, 0.05, alternative="two-sided")
    assert power(n, effect) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("effect", [0.2, 0.35, 0.7, 1.5])
def test_seeds_needed(effect: float) -> None:
    from statsmodels.stats.power import TTestPower

    n = TTestPower().solve_power(effect, None, 0.05, 0.8, alternative="two-sided")
    assert seeds_needed(effect, 1.0) == math.ceil(n)
