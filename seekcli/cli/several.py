"""`seek train` in several processes (torchrun): the first one is the command, the others follow it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seekcli.cli.output import say
from seekcli.config.layers import Layers
from seekcli.errors import SeekError, Stopped, one_line, unforeseen
from seekcli.launched import place

if TYPE_CHECKING:
    from seekcli.ranks import Ranks


def processes_layer() -> Layers:
    """The number of processes as a setting: below what the user says, and refused later where that is another."""
    size = place().size
    return [("torchrun", {"train.processes": size})] if size > 1 else []


@contextmanager
def joined() -> Iterator[Ranks | None]:
    """The processes that follow this one, told to leave at the end. None for one alone, which needs no torch yet."""
    if place().size == 1:
        yield None
        return
    from seekcli.engines.leading import others_leave
    from seekcli.ranks import Ranks

    ranks = Ranks.join()
    try:
        yield ranks
    finally:
        others_leave(ranks)


def follow_the_first() -> None:
    """What every process but the first does. It says what it alone has met; the rest is the first one's to say."""
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.following import follow
    from seekcli.ranks import Ranks

    stop, own = StopSwitch(), place()
    ranks = Ranks.join(own)  # until then a signal ends this process at once
    try:
        with stop.listening():
            follow(ranks, stop.reason)
    except Stopped:
        raise
    except Exception as error:
        words = str(error) if isinstance(error, SeekError) else unforeseen(error)[0]
        say(f"seek: process {own.rank} of {own.size} (counted from 0): {one_line(words)}", err=True, always=True)
        raise
