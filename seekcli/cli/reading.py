"""What a user sees while the files of a folder are read for its identity: nothing, unless it takes a while."""

from __future__ import annotations

import time

from seekcli.cli.output import say

# The first line comes after this many seconds, the next ones in this distance.
QUIET_SECONDS, EVERY_SECONDS = 1.0, 10.0


class ReadingLines:
    """Lines on stderr: they disturb no output that a program reads."""

    def __init__(self) -> None:
        self.next_at = 0.0
        self.said = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == 0:
            self.next_at, self.said = now + QUIET_SECONDS, False
        elif done == total and self.said:
            say(f"read {total:,} files; what they hold is kept for the next time", err=True)
        elif now >= self.next_at and done < total:
            self.next_at, self.said = now + EVERY_SECONDS, True
            say(f"reading {total:,} files once, to know the data by its contents: {done / total:.0%}", err=True)
