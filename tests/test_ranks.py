"""What the processes of a run tell each other, in processes joined over gloo."""

from __future__ import annotations

import math
import time
from datetime import timedelta

import pytest
import torch
from joined_processes import in_processes, joined
from torch import nn

from seekcli.errors import AgreedFailure, BadInput, LostProcess
from seekcli.launched import Place, place
from seekcli.ranks import Ranks, patience_told


def told(ranks: Ranks) -> dict:
    own = ranks.rank
    return {
        "first": ranks.from_first({"loss": math.inf, "of": own} if own == 0 else None),
        "each": ranks.from_each(f"process {own}"),
        "decided": [ranks.decided(own == 0), ranks.decided(own != 0)],
        "any": ranks.any([own == 1, False, True]),
        "summed": ranks.summed(torch.tensor(own + 1.0)),
        "copied": ranks.copy_from_first({"b": torch.full((2, 2), own), "a": torch.tensor(own + 0.5)}),
    }


def test_every_process_hears_the_same(tmp_path):
    for got in in_processes(3, told):
        assert got["first"] == {"loss": math.inf, "of": 0}
        assert got["each"] == ["process 0", "process 1", "process 2"]
        assert got["decided"] == [True, False]
        assert got["any"] == [True, False, True]
        assert got["summed"].item() == 6.0
        assert got["copied"]["b"].tolist() == [[0, 0], [0, 0]]
        assert got["copied"]["a"].item() == 0.5


def test_one_process_alone_needs_no_group():
    value = torch.tensor(2.0)
    alone = Ranks()
    assert alone.first
    assert alone.facts == {}
    assert alone.from_first({"a": 1}) == {"a": 1}
    assert alone.from_each(3) == [3]
    assert alone.any([True, False]) == [True, False]
    assert alone.summed(value) is value
    assert alone.copy_from_first({"a": value})["a"] is not value


def summed_gradients(ranks: Ranks) -> list:
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((2, 3, 2, 2), (3,), (1,))]
    strided = torch.arange(24.0).reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    parameters[0].grad = strided * (ranks.rank + 1)
    if ranks.rank == 1:
        parameters[1].grad = torch.ones(3)
    ranks.sum_gradients(parameters)
    return [parameter.grad for parameter in parameters]


def test_gradients_are_summed_where_any_process_has_one(tmp_path):
    """The second parameter has one in a single process, the third in none: there an optimizer leaves it alone."""
    for first, second, third in in_processes(2, summed_gradients):
        assert torch.equal(first, 3 * torch.arange(24.0).reshape(2, 3, 2, 2))
        assert torch.equal(second, torch.ones(3))
        assert third is None


def parted(ranks: Ranks) -> list[str]:
    words = []
    for error in (AgreedFailure("all"), ValueError("this one")):
        try:
            with ranks.in_step():
                raise error
        except (AgreedFailure, ValueError):
            pass
        try:
            words.append(ranks.from_first("here"))
        except LostProcess as lost:
            words.append(str(lost))
    return words


def test_nothing_is_told_after_one_process_left_a_step_by_itself(tmp_path):
    """The others wait in the midst of it, for something else. A failure that all have met parts nobody."""
    for after_agreed, after_own in in_processes(2, parted):
        assert after_agreed == "here"
        assert "have parted" in after_own


def left_by_the_other(ranks: Ranks) -> str:
    if not ranks.first:
        return "gone"
    try:
        ranks.any([True])
    except LostProcess as error:
        return str(error)
    return "nothing noticed"


def test_a_process_that_is_gone_is_noticed(tmp_path):
    words = in_processes(2, left_by_the_other)[0]
    assert words.startswith("another process of this run is gone; what was saved is kept")
    assert LostProcess.exit_code == 75


def hanging(ranks: Ranks) -> str:
    """The second process comes to the order after three times the patience, and to a step too late."""
    if not ranks.first:
        time.sleep(0.6)
    words = ranks.order("an order" if ranks.first else None)
    if not ranks.first:
        time.sleep(1.2)
    for tell in (ranks.any, ranks.order):
        try:
            tell([True])
        except LostProcess as error:
            words += f": {error}"
    return words


def test_one_that_hangs_in_a_step_is_noticed_in_time_and_an_order_may_take_long():
    """After that it is not waited for again, to be told to leave."""
    words = in_processes(2, hanging, patience=0.2)[0]
    assert words.startswith("an order: another process of this run did not answer in time")
    assert "SEEK_HUNG_MINUTES" in words
    assert ": the processes have parted" in words


def test_how_long_is_waited_is_half_an_hour_or_what_the_environment_says(monkeypatch):
    monkeypatch.delenv("SEEK_HUNG_MINUTES", raising=False)
    assert patience_told() == timedelta(minutes=30)
    monkeypatch.setenv("SEEK_HUNG_MINUTES", "0.5")
    assert patience_told() == timedelta(seconds=30)
    for word in ("0", "-1", "soon", "nan", "1441"):
        monkeypatch.setenv("SEEK_HUNG_MINUTES", word)
        with pytest.raises(BadInput, match=f"SEEK_HUNG_MINUTES is '{word}': a number of minutes above 0"):
            patience_told()


def test_processes_that_are_started_anew_meet_where_the_dead_have_met(tmp_path):
    """torchrun keeps its store over restarts, and the addresses of the first group stand in it."""
    for restarts in (0, 1):
        assert joined(2, tmp_path, lambda ranks: ranks.any([ranks.first]), restarts=restarts) == [[True], [True]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Place()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Place()),  # some clusters set these, and no address
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, Place()),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_RANK": "1"},
            Place(3, 4, 1, 4),
        ),
        (
            {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "TORCHELASTIC_RESTART_COUNT": "3"},
            Place(1, 2, 1, 2, restarts=3),
        ),
        (  # each machine counts its own
            {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_WORLD_SIZE": "1"}
            | {"TORCHELASTIC_RESTART_COUNT": "3"},
            Place(1, 2, 1, 1),
        ),
    ],
)
def test_a_launcher_says_which_process_this_is(monkeypatch, said, expected):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE",
                 "TORCHELASTIC_RESTART_COUNT"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert place() == expected
