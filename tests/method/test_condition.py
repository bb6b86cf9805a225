"""Which conditions there are: each is made from its settings, resumes exactly, and fires as chance says."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, strategies as st

from seekcli.config.condition_settings import CONDITION_READS, share_basis
from seekcli.method.condition import CONDITIONS, ConditionSettings, Counted, Observation, expected_share, needs_of
from seekcli.method.counts import Constant

BATCHES, EPOCHS = 9, 5
LENGTH = {"steps": EPOCHS * BATCHES, "steps_per_epoch": BATCHES}
VALUES = st.floats(min_value=0, max_value=1e6, allow_nan=False, width=32)


def make(name, **settings):
    return CONDITIONS[name].make(ConditionSettings(**{"counts": (3, 0, 8, 1, 4), **LENGTH} | settings))


def steps(values, batches=BATCHES):
    """Observations whose every signal is the next value."""
    return [
        Observation(index // batches, index % batches, batches, value, value, value)
        for index, value in enumerate(values)
    ]


def answers(condition, observations):
    return [condition.observe(step) for step in observations]


def test_all_of_the_paper_are_there_and_say_what_they_are():
    names = {"loss", "ema-loss", "validation-loss", "gradient-norm", "random-count", "matched-count", "always", "never"}
    assert names < set(CONDITIONS)
    assert all(condition.about for condition in CONDITIONS.values())
    # The run id of each keeps what it reads, so each has a line there.
    assert set(CONDITION_READS) == set(CONDITIONS)


@pytest.mark.parametrize(
    ("name", "needs"), [("validation-loss", {"validation_loss"}), ("gradient-norm", {"gradient_norm"})]
)
def test_what_costs_something_is_needed_by_one_condition_alone(name, needs):
    assert needs_of(make(name)) == needs
    assert [other for other in CONDITIONS if needs_of(make(other)) & needs] == [name]


@pytest.mark.parametrize("name", CONDITIONS)
@given(values=st.lists(VALUES, max_size=EPOCHS * BATCHES), cut=st.integers(0, EPOCHS * BATCHES), k=st.integers(1, 3))
def test_a_condition_resumed_from_json_goes_on_exactly(name, values, cut, k):
    observations = steps(values)
    whole = answers(make(name, k=k, seed=7), observations)
    first, second = make(name, k=k, seed=7), make(name, k=k, seed=7)
    head = answers(first, observations[:cut])
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert head + answers(second, observations[cut:]) == whole
    assert all(type(answer) is bool for answer in whole)


@pytest.mark.parametrize(
    ("name", "setting", "one", "other"),
    [
        ("loss", "k", 1, 2),
        ("ema-loss", "k", 1, 2),
        ("ema-loss", "ema_alpha", 0.02, 0.5),
        ("ema-loss", "ema_fall_percent", 0.2, 0.5),
        ("validation-loss", "k", 1, 2),
        ("gradient-norm", "k", 1, 2),
        ("random-count", "seed", 0, 1),
        ("matched-count", "seed", 0, 1),
        ("matched-count", "counts", (3, 0, 8, 1, 4), (3, 0, 8, 1, 5)),
        ("inverse", "k", 1, 2),
        ("window", "window_start", 0.5, 0.6),
        ("window", "window_stop", 0.9, 1.0),
        ("window", "steps", EPOCHS * BATCHES, EPOCHS * BATCHES + 10),
        ("periodic", "every_steps", 4, 5),
        ("budget", "share", 0.2, 0.4),
        ("budget", "steps", EPOCHS * BATCHES, EPOCHS * BATCHES - 4),
        ("window", "steps_per_epoch", BATCHES, BATCHES + 1),
        ("periodic", "steps_per_epoch", BATCHES, BATCHES + 1),
        ("budget", "steps_per_epoch", BATCHES, BATCHES - 1),
    ],
)
def test_each_setting_reaches_its_condition(name, setting, one, other):
    rng = random.Random(0)
    observations = steps([10 * 0.9**index * rng.uniform(0.6, 1.4) for index in range(EPOCHS * BATCHES)])
    assert answers(make(name, **{setting: one}), observations) != answers(make(name, **{setting: other}), observations)


def observed_share(name, k, batches=40, epochs=1500):
    """Of exchangeable numbers, with the first batch of every epoch on the base."""
    rng = random.Random(k)
    condition, motivated = make(name, k=k), 0
    for epoch in range(epochs):
        holds = False
        for batch in range(batches):
            motivated += holds
            value = rng.random()
            holds = condition.observe(Observation(epoch, batch, batches, value, value, value))
    return motivated / (batches * epochs), expected_share(
        name, ConditionSettings(k=k, steps=batches * epochs, steps_per_epoch=batches)
    )


@pytest.mark.parametrize("name", ["loss", "gradient-norm", "inverse"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_expected_share_is_what_exchangeable_numbers_give(name, k):
    observed, expected = observed_share(name, k)
    assert observed == pytest.approx(expected, rel=0.05)


def test_expected_share_of_random_count_is_the_mean_of_its_draws():
    observed, expected = observed_share("random-count", 2)
    assert expected == 0.5 * 39 / 40
    assert observed == pytest.approx(expected, rel=0.03)


def test_expected_share_values():
    assert expected_share("loss", ConditionSettings(k=2)) == pytest.approx(1 / 6)
    settings = ConditionSettings(k=3, steps=12, steps_per_epoch=4)
    assert expected_share("loss", settings) == pytest.approx(1 / 24 * 3 / 4)
    assert expected_share("gradient-norm", settings) == expected_share("loss", settings)
    # Of 10 steps three are the first of an epoch, the last of which is a short one.
    assert expected_share("always", ConditionSettings(steps=10, steps_per_epoch=4)) == pytest.approx(7 / 10)
    assert expected_share("random-count", ConditionSettings()) == 0.5
    assert expected_share(
        "matched-count", ConditionSettings(counts=(4, 0, 2), steps=30, steps_per_epoch=10)
    ) == pytest.approx(6 / 30)
    assert expected_share("always", ConditionSettings(steps=20, steps_per_epoch=10)) == pytest.approx(0.9)
    assert expected_share("never", ConditionSettings(steps=20, steps_per_epoch=10)) == 0.0
    # Without the length of a run: as in `seek list conditions`. The defaults cost about what `loss` at k=2 does.
    for name in ("window", "periodic", "budget"):
        assert expected_share(name, ConditionSettings()) == pytest.approx(1 / 6, abs=1e-4)


def test_a_share_is_by_the_schedule_where_the_counts_are_known_before_the_run():
    settings = ConditionSettings(counts=(1,) * EPOCHS, **LENGTH)
    made = {name: one.make(settings) for name, one in CONDITIONS.items()}
    known = {name for name, one in made.items() if isinstance(one, Counted | Constant)}
    assert {name for name in CONDITIONS if share_basis("alternating", name) == "by its schedule"} == known
    assert share_basis("grow", None) == "by its schedule"


@pytest.mark.parametrize("name", ["ema-loss", "validation-loss", "somebody.else:Condition"])
def test_no_share_is_expected_where_chance_gives_none(name):
    assert expected_share(name, ConditionSettings(**LENGTH)) is None
    assert expected_share("matched-count", ConditionSettings()) is None


def test_inverse_answers_to_the_negative_of_each_loss_as_loss_does():
    rng = random.Random(2)
    observations = steps([rng.uniform(-1, 1) for _ in range(EPOCHS * BATCHES)])
    mirrored = steps([-step.loss for step in observations])
    assert answers(make("inverse"), mirrored) == answers(make("loss"), observations)


def test_always_and_never():
    observations = steps([1.0, 2.0, 1.0])
    assert answers(make("always"), observations) == [True] * 3
    assert answers(make("never"), observations) == [False] * 3


def test_a_table_of_names_has_no_duplicates_of_one_behaviour():
    """On one noisy trace no two conditions answer alike."""
    rng = random.Random(1)
    signals = [[5 * 0.8**index * rng.uniform(0.5, 1.5) for _ in "abc"] for index in range(EPOCHS * BATCHES)]
    observations = [
        Observation(index // BATCHES, index % BATCHES, BATCHES, *three) for index, three in enumerate(signals)
    ]
    traces = {name: answers(make(name, k=1), observations) for name in CONDITIONS}
    assert all(traces[a] != traces[b] for a, b in itertools.combinations(traces, 2))
