"""An engine: where the workers of a grid run. It starts them, watches them and asks them to stop, and no more.

What is to be done, what is done and by whom stands in the results folder. So any engine can be stopped and another
one go on, and a command that reads a grid needs none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from seekcli.engines.slots import Slot
from seekcli.grid.shards import Shard

# A reason to stop, in words; None for none.
StopRequested = Callable[[], str | None]


@dataclass(frozen=True)
class Work:
    """The points of one grid, for one worker a slot. `order` is what each is told: the text of the file, and settings.

    With a `shard` it is that part of the grid which the workers share; without one each takes what no other has, and
    waits for the others.
    """

    grid: Path
    out: Path
    order: str
    slots: Sequence[Slot]
    shard: Shard | None = None
    leave: bool = False

    def words(self, number: int, order: str = "-") -> list[str]:
        """What a worker, counted from 0, is started with after `seek`; `order` is where it reads its order."""
        words = ["grid", "work", str(self.grid), "--out", str(self.out), "--order", order]
        if self.shard is not None:
            words += ["--shard", str(self.shard.split(len(self.slots))[number])]
        return [*words, *(["--leave"] if self.leave else [])]


class Engine(ABC):
    """Use as a context: whatever happens inside, no worker that needs this process is left running."""

    @abstractmethod
    def submit(self, work: Work) -> None:
        """Start the workers, or have them started. Raises BadInput where this engine cannot."""

    @abstractmethod
    def watch(self, stop_requested: StopRequested, tick: Callable[[], None] = lambda: None) -> None:
        """Until all have ended; `tick` is called meanwhile. Raises Stopped, once all have saved and left."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask the workers to save and stop; those that have not begun never will."""

    def complaint(self) -> str | None:
        """Why a worker ended that should not have; None where none did."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
