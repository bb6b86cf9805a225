"""Conditions by lot: how many batches, which of them, and the same ones every time."""

from __future__ import annotations

from collections import Counter

import pytest
from scipy.stats import chisquare

from seekcli.method.counts import MatchedCount, RandomCount, chosen_batches
from seekcli.method.observation import Observation


def motivated_batches(condition, epoch, batches):
    """The batches that would train the motivated model, from 0: the answer to one step is for the next."""
    answers = [condition.observe(Observation(epoch, batch, batches, 1.0)) for batch in range(batches)]
    assert not answers[-1], "no batch is left after the last"
    return [batch + 1 for batch, motivated in enumerate(answers) if motivated]


def test_random_count_is_uniform_over_0_to_one_less_than_the_batches():
    condition, batches, epochs = RandomCount(seed=3), 8, 4000
    counts = Counter(len(motivated_batches(condition, epoch, batches)) for epoch in range(epochs))
    assert set(counts) == set(range(batches))
    assert chisquare([counts[n] for n in range(batches)]).pvalue > 0.01


def test_every_batch_but_the_first_is_drawn_equally_often():
    condition, batches, epochs = RandomCount(seed=4), 8, 4000
    drawn = Counter(batch for epoch in range(epochs) for batch in motivated_batches(condition, epoch, batches))
    assert set(drawn) == set(range(1, batches))
    assert chisquare([drawn[batch] for batch in range(1, batches)]).pvalue > 0.01


def test_pairs_of_batches_are_drawn_equally_often():
    """Without replacement, and not in runs: of 5 batches each pair is as likely as any other."""
    pairs = Counter(chosen_batches(0, epoch, 2, 6) for epoch in range(4000))
    assert len(pairs) == 10
    assert chisquare(list(pairs.values())).pvalue > 0.01


def test_the_number_says_nothing_about_which():
    """Batch 1 is among n of 7 with probability n/7, for every n."""
    batches = 8
    for n in range(batches):
        hits = sum(1 in chosen_batches(1, epoch, n, batches) for epoch in range(2000))
        assert hits / 2000 == pytest.approx(n / 7, abs=0.04)


def test_seed_and_epoch_alone_decide():
    def trace(seed):
        return [motivated_batches(RandomCount(seed), epoch, 20) for epoch in range(6)]

    assert trace(0) == trace(0)
    assert trace(0) != trace(1)
    assert len({tuple(batches) for batches in trace(0)}) > 1
    # Worked out once: another machine or Python gives the same.
    assert trace(0)[0] == [1, 2, 3, 5, 6, 8, 10, 13, 14, 15, 17, 19]


def test_matched_count_has_exactly_its_counts():
    counts = [0, 5, 19, 1, 7]
    condition = MatchedCount(seed=0, counts=counts)
    assert [len(motivated_batches(condition, epoch, 20)) for epoch in range(5)] == counts


def test_an_epoch_of_a_single_batch_has_no_motivated_one():
    assert motivated_batches(RandomCount(seed=0), 0, 1) == []
