"""Shards part the places of a plan, whatever their number, and a word that names none is told."""

from __future__ import annotations

import pytest

from seekcli.errors import BadInput
from seekcli.grid.shards import Shard, parse_shard


@pytest.mark.parametrize("count", [1, 3, 7])
def test_every_place_is_of_one_shard_and_split_further_stays_so(count: int) -> None:
    shards = [parse_shard(f"{number}/{count}") for number in range(1, count + 1)]
    assert all(sum(shard.owns(place) for shard in shards) == 1 for place in range(30))
    parts = [part for shard in shards for part in shard.split(2)]
    assert all(sum(part.owns(place) for part in parts) == 1 for place in range(30))
    assert len(set(parts)) == 2 * count


def test_who_helps_begins_with_the_next_shard() -> None:
    assert [Shard(2, 3).distance(place) for place in range(6)] == [2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5/4", "--shard 5/4: expected 1/4 to 4/4; shards are counted from 1"),
        ("0/4", "--shard 0/4: expected 1/4 to 4/4"),
        ("1/0", "--shard 1/0: expected 1 to 100,000 shards"),
        ("2", "--shard '2': expected NUMBER/COUNT, such as 1/4"),
        ("a/b", "--shard 'a/b': expected NUMBER/COUNT"),
    ],
)
def test_a_shard_that_cannot_be_is_told(text: str, said: str) -> None:
    with pytest.raises(BadInput) as told:
        parse_shard(text)
    assert str(told.value).startswith(said)
