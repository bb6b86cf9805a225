"""`seek`, and `python -m seekcli`. Imports take a moment, in which Ctrl-C just ends the process: nothing is begun."""

from __future__ import annotations

import os
import signal
from types import FrameType

EXIT_INTERRUPTED = 130  # of seekcli.errors, which is not imported yet


def leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"seek: error: interrupted\n")
    os._exit(EXIT_INTERRUPTED)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have had it ignored
    signal.signal(signal.SIGINT, leave)


def main() -> None:
    from seekcli.cli.app import main as seek

    seek()


if __name__ == "__main__":
    main()
