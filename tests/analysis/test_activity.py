"""Turns of the larger model, and the loss around them: by hand, and on the steps of a real run."""

from __future__ import annotations

import pytest
from tiny import tiny

from seekcli.analysis.activity import (
    Epoch,
    around_switches,
    epochs_of_run,
    share_of,
    turns_of,
    turns_with_lengths,
    would_be,
)
from seekcli.engines.run import train_run
from seekcli.runs.folder import RunFolder


def epoch(number, losses, motivated=""):
    """`motivated` has an m for each step of the larger model: "bbmmb"."""
    return Epoch(number, tuple(losses), tuple(letter == "m" for letter in motivated or "b" * len(losses)))


def test_steps_are_sorted_into_their_epochs():
    columns = {"epoch": [1, 1, 2], "role": ["base", "motivated", "base"], "loss": [3.0, 2.0, 1.0]}
    assert epochs_of_run(columns) == [epoch(1, [3.0, 2.0], "bm"), epoch(2, [1.0], "b")]


def test_a_turn_begins_where_the_larger_model_comes_in():
    assert turns_of(epoch(1, [1.0] * 7, "bmmbmbm")) == [1, 4, 6]
    assert turns_of(epoch(1, [1.0] * 3)) == []
    assert share_of(epoch(1, [1.0] * 4, "bmmb")) == 0.5


def test_would_be_turns_are_those_of_k_falls_in_a_row_and_every_epoch_starts_on_the_base():
    losses = [5.0, 4.0, 3.0, 3.5, 3.4, 3.3]
    # The first loss is a fall from infinity, so two falls are done after the second step.
    (one,) = would_be([epoch(1, losses)], k=2)
    assert "".join("bm"[now] for now in one.motivated) == "bbmmbb"
    first, second = would_be([epoch(1, [5.0, 4.0]), epoch(2, [3.0, 2.0, 2.5])], k=2)
    assert "".join("bm"[now] for now in first.motivated + second.motivated) == "bb" + "bmm"


def test_around_a_switch_the_loss_is_measured_from_the_mean_of_its_epoch():
    runs = [[epoch(1, [4.0, 3.0, 2.0, 3.0], "bbmb")], [epoch(1, [4.0, 2.0, 4.0, 2.0], "bbmb")]]
    found = {one.offset: one.found for one in around_switches(runs)}
    assert sorted(found) == [-2, -1, 0, 1]
    assert (found[0].n, found[0].mean) == (2, pytest.approx((-1.0 + 1.0) / 2))
    assert found[-1].mean == pytest.approx((0.0 - 1.0) / 2)


def test_a_run_counts_once_however_many_turns_it_has():
    one = [epoch(1, [1.0, 5.0, 1.0, 5.0, 1.0], "bmbmb")]
    other = [epoch(1, [1.0, 0.0, 1.0], "bmb")]
    at_entry = next(row for row in around_switches([one, other]) if row.offset == 0)
    assert at_entry.found.mean == pytest.approx(((5 - 2.6) + (0 - 2 / 3)) / 2)


def test_replayed_on_its_own_losses_the_condition_gives_the_turns_of_a_real_run(tmp_path):
    """Algorithm 1 once more: what the run recorded follows from its losses alone."""
    resolved = tiny(motivation__k=2)
    train_run(resolved, tmp_path)
    epochs = epochs_of_run(RunFolder.of(tmp_path, resolved.config).steps())
    assert any(turns_of(one) for one in epochs)
    assert would_be(epochs, k=2) == epochs


def test_a_turn_has_a_length_of_one_epoch():
    assert turns_with_lengths(epoch(1, [0.0] * 7, "mbbmmbm")) == [(0, 1), (3, 2), (6, 1)]
