"""What a launcher such as torchrun told this process: which of how many it is. Loads nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

# torch reads these four to bring the processes together; a launcher sets all of them.
TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """This process among those that were started together; the `local` ones are those of this machine, from 0.

    `restarts` says how often torchrun has started them anew (--max-restarts). It is counted for each machine apart, so
    it is 0 where there are several.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0


def place() -> Place:
    """One process alone where no launcher said otherwise."""
    if not all(os.environ.get(name) for name in TOLD):
        return Place()
    rank, size = number("RANK", 0), number("WORLD_SIZE", 1)
    if size <= 1:
        return Place()
    local_size = number("LOCAL_WORLD_SIZE", size)
    restarts = number("TORCHELASTIC_RESTART_COUNT", 0) if local_size == size else 0
    return Place(rank, size, number("LOCAL_RANK", rank), local_size, restarts)


def refuse_several() -> None:
    """Of commands that are for one process. Raises BadInput in several."""
    if (there := place().size) > 1:
        from seekcli.errors import BadInput

        raise BadInput(f"{there} processes were started together, and only `seek train` splits a run over them")


def number(name: str, default: int) -> int:
    word = os.environ.get(name, "")
    return int(word) if word.isdecimal() else default
