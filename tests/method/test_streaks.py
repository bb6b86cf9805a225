"""Streak conditions on sequences worked out by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from seekcli.method.observation import Observation
from seekcli.method.streaks import EmaLossCondition, GradientNormCondition, LossCondition, ValidationLossCondition

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def answers(condition, losses, batches=1000):
    return [condition.observe(Observation(0, index, batches, loss)) for index, loss in enumerate(losses)]


def test_loss_condition_on_a_sequence_worked_out_by_hand():
    # inf > 5 is a fall, 4 the second: motivated. 4 is not below 4: out. Then two falls again.
    losses = [5.0, 4.0, 3.0, 3.0, 2.0, 1.0, 1.5]
    assert answers(LossCondition(2), losses) == [False, True, True, False, False, True, False]
    assert answers(LossCondition(3), losses) == [False, False, True, False, False, False, False]
    assert answers(LossCondition(1), losses) == [True, True, True, False, True, True, False]


@given(st.lists(FINITE, max_size=60), st.integers(1, 5))
def test_loss_condition_holds_exactly_when_the_last_k_losses_fell(losses, k):
    padded = [float("inf"), *losses]
    found = answers(LossCondition(k), losses)
    for index, holds in enumerate(found):
        last = padded[max(0, index + 1 - k) : index + 2]
        falls = len(last) == k + 1 and all(b < a for a, b in itertools.pairwise(last))
        assert holds == falls


def test_streaks_go_on_over_the_end_of_an_epoch():
    condition = LossCondition(2)
    ends = [Observation(0, 8, 9, 3.0), Observation(1, 0, 9, 2.0), Observation(1, 1, 9, 2.5)]
    assert [condition.observe(step) for step in ends] == [False, True, False]


def test_validation_loss_condition_looks_at_the_held_out_loss_alone():
    validation_losses = [5.0, 4.0, 4.0, 3.0, 2.0]
    rising = [1.0, 2.0, 3.0, 4.0, 5.0]
    steps = [Observation(0, i, 5, rising[i], validation_loss=validation_losses[i]) for i in range(5)]
    condition = ValidationLossCondition(2)
    assert [condition.observe(step) for step in steps] == [False, True, False, False, True]


def test_gradient_norm_condition_holds_when_the_norm_rose():
    norms = [1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 0.5]
    steps = [Observation(0, i, 7, 1.0, gradient_norm=norm) for i, norm in enumerate(norms)]
    condition = GradientNormCondition(2)
    assert [condition.observe(step) for step in steps] == [False, True, True, False, False, True, False]


def test_a_step_whose_update_was_skipped_neither_breaks_nor_lengthens_a_streak_of_norms():
    norms = [1.0, 2.0, None, 3.0, None, 1.0]
    steps = [Observation(0, i, 6, 1.0, gradient_norm=norm) for i, norm in enumerate(norms)]
    condition = GradientNormCondition(3)
    assert [condition.observe(step) for step in steps] == [False, False, False, True, True, False]


def test_ema_condition_on_a_sequence_worked_out_by_hand():
    # alpha 0.5, at least 10 %: 8 (start), 6 (-25 %), 5 (-17 %), 4.6 (-8 %), 3.3 (-28 %), 3.3 (0)
    losses = [8.0, 4.0, 4.0, 4.2, 2.0, 3.3]
    assert answers(EmaLossCondition(1, 0.5, 10.0), losses) == [False, True, True, False, True, False]
    assert answers(EmaLossCondition(2, 0.5, 10.0), losses) == [False, False, True, False, False, False]


def test_ema_condition_counts_a_fall_of_exactly_the_percentage():
    # 16 -> 12 is exactly 25 % in binary arithmetic
    assert answers(EmaLossCondition(1, 0.5, 25.0), [16.0, 8.0]) == [False, True]
    assert answers(EmaLossCondition(1, 0.5, 25.0), [16.0, 8.001]) == [False, False]


def test_ema_condition_with_the_papers_numbers_needs_a_loss_ten_percent_below_its_average():
    # 0.02 x (ema - loss) >= 0.002 x ema  <=>  loss <= 0.9 x ema
    assert answers(EmaLossCondition(1, 0.02, 0.2), [1.0, 0.89]) == [False, True]
    assert answers(EmaLossCondition(1, 0.02, 0.2), [1.0, 0.91]) == [False, False]


@pytest.mark.parametrize("losses", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_a_flat_average_is_no_fall_even_when_any_fall_would_do(losses):
    assert answers(EmaLossCondition(1, 0.02, 0.0), losses) == [False] * 3
