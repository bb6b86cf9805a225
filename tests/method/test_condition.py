"""Motivation conditions on hand-made sequences; the chance share against a simulation."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekcli.method.condition import CONDITIONS, LossCondition, Observation, expected_share

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


@given(st.lists(FINITE, max_size=40), st.integers(0, 40), st.integers(1, 4))
def test_a_condition_resumed_from_json_goes_on_exactly(losses, cut, k):
    whole = answers(LossCondition(k), losses)
    first, second = LossCondition(k), LossCondition(k)
    head = answers(first, losses[:cut])
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert head + answers(second, losses[cut:]) == whole


def test_always_and_never():
    assert answers(CONDITIONS["always"](2), [1.0, 2.0]) == [True, True]
    assert answers(CONDITIONS["never"](2), [2.0, 1.0]) == [False, False]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_expected_share_is_what_exchangeable_losses_give(k):
    batches, epochs, rng = 50, 800, random.Random(k)
    condition, motivated = LossCondition(k), 0
    for _ in range(epochs):
        holds = False
        for batch in range(batches):
            motivated += holds
            holds = condition.observe(Observation(0, batch, batches, rng.random()))
    expected = expected_share("loss", k, batches)
    assert motivated / (batches * epochs) == pytest.approx(expected, rel=0.05)


def test_expected_share_values():
    assert expected_share("loss", 2) == pytest.approx(1 / 6)
    assert expected_share("loss", 3, 4) == pytest.approx(1 / 24 * 3 / 4)
    assert expected_share("always", 2, 10) == pytest.approx(0.9)
    assert expected_share("never", 2, 10) == 0.0
    assert expected_share("somebody-elses", 2) is None
