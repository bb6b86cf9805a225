"""A shard: one of several workers that are started apart and share the points of a grid, without knowing each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seekcli.errors import BadInput, shown_value

MOST_SHARDS = 100_000


@dataclass(frozen=True)
class Shard:
    """The worker `number` (from 1) of `count`. By the order of the grid file every count-th point is its own."""

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def owns(self, place: int) -> bool:
        """Whether the point at that place of the plan (from 0) is its own."""
        return place % self.count == self.number - 1

    def distance(self, place: int) -> int:
        """How many shards further a place belongs: 0 for its own. Who helps others begins with its neighbour."""
        return (place - (self.number - 1)) % self.count

    def split(self, parts: int) -> list[Shard]:
        """The shards of `parts` workers that do the work of this one together."""
        return [Shard((self.number - 1) * parts + part + 1, self.count * parts) for part in range(parts)]


def parse_shard(text: str) -> Shard:
    """`2/4` -> the second of four. Raises BadInput."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if found is None:
        raise BadInput(f"--shard {shown_value(text)}: expected NUMBER/COUNT, such as 1/4, the first of four")
    number, count = int(found[1]), int(found[2])
    if not 1 <= count <= MOST_SHARDS:
        raise BadInput(f"--shard {text}: expected 1 to {MOST_SHARDS:,} shards")
    if not 1 <= number <= count:
        raise BadInput(f"--shard {text}: expected 1/{count} to {count}/{count}; shards are counted from 1")
    return Shard(number, count)
