"""Ctrl-C, SIGTERM and the like: the first asks the run to save and stop, a second Ctrl-C stops at once.

Of any other work Ctrl-C is the end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from seekcli.cli.readers import outliving_readers
from seekcli.errors import EXIT_INTERRUPTED, EXIT_RESUMABLE, Stopped
from seekcli.stop_signals import STOP_SIGNALS

# Whether the process ends with the command: so it is for users, and not where tests call one.
ENDS_WITH_COMMAND: ContextVar[bool] = ContextVar("ENDS_WITH_COMMAND", default=False)


@contextmanager
def interruptible() -> Iterator[None]:
    """Whatever becomes of a Ctrl-C inside, KeyboardInterrupt comes out: libraries that are being imported turn it into
    errors of their own. Where signals are not ours (in a thread, or ignored by the shell) nothing changes."""
    before, asked = signal.getsignal(signal.SIGINT), False
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception as error:
        if asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


class StopSwitch:
    """Remembers the signal that asked for a stop; the loop polls `reason` after every step."""

    def __init__(self) -> None:
        self.received: int | None = None

    def reason(self) -> str | None:
        return None if self.received is None else f"stopped by {signal.Signals(self.received).name}"

    def catch(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside the block. A Stopped that passes through carries the exit code of its signal.

        One that was ignored when the program started stays so: `nohup` wants no SIGHUP, a shell's `&` no Ctrl-C. The
        work also outlives whoever reads its output. Once it is stopped, a second signal of a scheduler changes nothing
        any more: the words and the exit code are still to come, by which others know that it was saved.
        """
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        for number in heeded:
            signal.signal(number, self.catch)
        try:
            with outliving_readers():
                yield
        except Stopped as stopped:
            stopped.exit_code = EXIT_INTERRUPTED if self.received == signal.SIGINT else EXIT_RESUMABLE
            if ENDS_WITH_COMMAND.get():
                before |= dict.fromkeys(set(heeded) - {signal.SIGINT}, signal.SIG_IGN)
            raise
        finally:
            for number in heeded:
                signal.signal(number, before[number])
