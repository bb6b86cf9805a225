"""Pause: a process sleeps for longer than its lease lasts, an heir takes the run over, and the sleeper wakes up.

The heir's folder never changes any more, whether the heir has finished, was killed or stopped itself, or still trains.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from torture.runs import COMMANDS, Reference, Verdict
from torture.seek_process import start

BEAT_SECONDS, DEAD_AFTER_SECONDS = 0.1, 1.0
FORKED_SECONDS = 3.0
MOST_WRITES = 135
# What the heir does: it ends its run, or is killed or asked to stop at a write, or is still there.
HEIRS = ("finishes", "finishes", "is killed", "stops", "goes on")


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    name = draw.choice(("alternating", "base", "grow"))
    words, results = (*COMMANDS[name], "--out", folder / "r"), folder / "r"
    fresh = draw.random() < 0.15
    if fresh:
        reference.copy(name, results)
    where = draw.choice((f"at write {draw.randint(1, MOST_WRITES)}", f"after {draw.uniform(0, FORKED_SECONDS):.2f} s"))
    sleeper = start((*words, *(("--fresh",) if fresh else ())), prepare=lambda: sleepy(results, where))
    if where.startswith("after"):
        time.sleep(float(where.split()[1]))
        sleeper.send(signal.SIGSTOP)
    ended = sleeper.wait_until_paused()
    what = f"{name}{' --fresh' if fresh else ''} pauses {where}"
    if ended is not None:
        return Verdict(f"{what}, but ends before", ended.problem(0) or reference.number_difference(name, results))
    time.sleep(DEAD_AFTER_SECONDS + 0.3)
    heir = draw.choice(HEIRS)
    try:
        problem, awake = take_over(draw, heir, words, results, lambda: wake(sleeper))
    finally:
        sleeper.send(signal.SIGKILL) if sleeper.alive else None
    return Verdict(f"{what}, its heir {heir} ({awake.code if awake else '?'})", problem or last(words, name, results, reference))
