"""`window`, `periodic` and `budget`: which steps of a run are motivated, by the sentences of docs/conditions.md."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from seekcli.method.condition import CONDITIONS, ConditionSettings, expected_share
from seekcli.method.observation import Observation

BATCHES = st.integers(1, 13)
STEPS = st.integers(1, 60)


def motivated_steps(condition, batches, steps, losses=None):
    """Numbers of the motivated steps, from 0, of a run of `steps` that may end inside an epoch, as Algorithm 1 asks."""
    found, motivated = [], False
    rng = random.Random(steps)
    for step in range(steps):
        epoch, batch = divmod(step, batches)
        if batch == 0:
            motivated = False
        if motivated:
            found.append(step)
        loss = losses[step] if losses else rng.random()
        length = min(batches, steps - epoch * batches)
        motivated = condition.observe(Observation(epoch, batch, length, loss))
        if batch + 1 == length:
            assert not motivated, "a switch that would be undone at once"
    return found


def made(name, **settings):
    return CONDITIONS[name].make(ConditionSettings(**settings))


@given(BATCHES, STEPS, st.floats(0, 1), st.floats(0, 1))
def test_window_is_every_step_between_two_fractions_but_for_the_first_of_an_epoch(batches, steps, one, other):
    start, stop = sorted((one, other))
    expected = [step for step in range(round(start * steps), round(stop * steps)) if step % batches]
    condition = made("window", window_start=start, window_stop=stop, steps=steps, steps_per_epoch=batches)
    found = motivated_steps(condition, batches, steps)
    # Nothing says before the first step that it is motivated.
    assert found == expected
    settings = ConditionSettings(window_start=start, window_stop=stop, steps=steps, steps_per_epoch=batches)
    assert expected_share("window", settings) == len(expected) / steps


@given(BATCHES, STEPS, st.integers(1, 20))
def test_periodic_is_every_nth_step_of_the_run_but_for_the_first_of_an_epoch(batches, steps, every):
    expected = [step for step in range(steps) if (step + 1) % every == 0 and step % batches]
    condition = made("periodic", every_steps=every, steps=steps, steps_per_epoch=batches)
    assert motivated_steps(condition, batches, steps) == expected
    assert (
        expected_share("periodic", ConditionSettings(every_steps=every, steps=steps, steps_per_epoch=batches))
        == len(expected) / steps
    )


@given(BATCHES, STEPS, st.floats(0, 1), st.randoms(use_true_random=False))
def test_budget_meets_its_share_within_a_step_in_every_epoch(batches, steps, share, rng):
    losses = [rng.choice([0.0, 1.0, 2.0]) for _ in range(steps)]
    found = motivated_steps(made("budget", share=share, steps=steps, steps_per_epoch=batches), batches, steps, losses)
    for first in range(0, steps, batches):
        length = min(batches, steps - first)
        count = sum(first <= step < first + length for step in found)
        assert count == length - 1 or abs(count - share * length) <= 1 + 1e-9
        assert count <= length - 1
    assert (
        expected_share("budget", ConditionSettings(share=share, steps=steps, steps_per_epoch=batches))
        == len(found) / steps
    )


@given(st.integers(2, 40), st.floats(0, 1), st.randoms(use_true_random=False))
def test_budget_keeps_its_pace_and_takes_the_first_falls_that_it_allows(batches, share, rng):
    """The rule of the page, written down once more for one epoch."""
    losses = [rng.random() for _ in range(batches)]
    found = motivated_steps(
        made("budget", share=share, steps=batches, steps_per_epoch=batches), batches, batches, losses
    )
    count = min(math.floor(share * batches + 0.5), batches - 1)
    expected = []
    for batch in range(1, batches):
        fell = batch == 1 or losses[batch - 1] < losses[batch - 2]
        pace = math.ceil(count * batch / (batches - 1))
        owed = count - len(expected)
        if owed and (owed == batches - batch or (fell and len(expected) < pace)):
            expected.append(batch)
    assert found == expected


def test_budget_spreads_its_steps_and_prefers_falls():
    rng = random.Random(3)
    batches, epochs = 60, 50
    losses = [rng.random() for _ in range(batches * epochs)]
    found = motivated_steps(
        made("budget", share=1 / 6, steps=len(losses), steps_per_epoch=batches), batches, len(losses), losses
    )
    assert len(found) == len(losses) // 6
    after_a_fall = sum(losses[step - 1] < losses[step - 2] for step in found)
    assert after_a_fall / len(found) > 0.9
    halves = sum(step % batches < batches / 2 for step in found)
    assert halves / len(found) == pytest.approx(0.5, abs=0.05)
