"""Kills: SIGKILL, SIGTERM, SIGHUP and SIGINT, one to four of them, at any time and at any write; then the same command.

It ends, and leaves what a run leaves that nothing disturbed: the same bytes, and no file more.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from torture.runs import COMMANDS, ENDED_BY, Reference, Verdict
from torture.seek_process import Ended, seek, signal_at_write, start

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A forked process trains for a second or two; a new interpreter imports for some seconds first.
FORKED_SECONDS, STARTED_SECONDS = 3.0, 8.0
# An undisturbed run changes something on the disk about 135 times; one of two seeds 172 times.
MOST_WRITES = 172
NEW_INTERPRETER_EVERY = 12


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    name = draw.choice(reference.names)
    words = (*COMMANDS[name], "--out", folder / "r")
    told: list[str] = []
    for _ in range(draw.choice((1, 1, 2, 4))):
        number = draw.choice(SIGNALS)
        how, ended = disturb(draw, words, folder / "r", number)
        told.append(f"{number.name} {how} ({ended.code})")
        if problem := ended.problem(0, *ENDED_BY[number]):
            return Verdict(f"{name}: {', '.join(told)}", problem)
    what = f"{name}: {', '.join(told)}"
    return Verdict(what, seek(*words).problem(0) or reference.difference(name, folder / "r"))


def disturb(draw: random.Random, words: tuple[object, ...], results: Path, number: signal.Signals) -> tuple[str, Ended]:
    """Start the command and send the signal, at a time or at a write. Where it ends before that it is done."""
    if draw.randrange(NEW_INTERPRETER_EVERY) == 0:
        return at_time(draw.uniform(0, STARTED_SECONDS), words, number, real=True)
    if draw.random() < 0.3:
        return at_time(draw.uniform(0, FORKED_SECONDS), words, number)
    at = draw.randint(1, MOST_WRITES)
    return f"at write {at}", seek(*words, prepare=lambda: signal_at_write(results, at, number))


def at_time(seconds: float, words: tuple[object, ...], number: signal.Signals, real: bool = False) -> tuple[str, Ended]:
    process = start(words, real=real)
    time.sleep(seconds)
    process.send(number)
    return f"after {seconds:.2f} s{' from start' if real else ''}", process.wait()
