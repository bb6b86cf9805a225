"""Pause: a process sleeps for longer than its lease lasts, an heir takes the run over, and the sleeper wakes up.

The heir's folder never changes any more, whether the heir has finished, was killed, has stopped, or still trains.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from torture.runs import COMMANDS, Reference, Verdict, bytes_below, every_byte_below, run_folders
from torture.seek_process import Ended, Seek, seek, shorten_leases, signal_at_write, start

BEAT_SECONDS, DEAD_AFTER_SECONDS = 0.1, 1.5
FORKED_SECONDS = 3.0
MOST_WRITES = 135
# What the heir does: it ends its run, or is killed or asked to stop at a write, or is there when the sleeper wakes up.
HEIRS = {"finishes": 0, "is killed": signal.SIGKILL, "stops": signal.SIGTERM, "goes on": 0, "starts afresh": 0}


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    if draw.random() < 0.15:
        return afresh(draw, folder, reference)
    heir = draw.choice(list(HEIRS))
    return draw.choice((at_write, at_time))(draw, folder, reference, heir)


def at_write(draw: random.Random, folder: Path, reference: Reference, heir: str) -> Verdict:
    return pause(draw, folder, reference, heir, draw.randint(1, MOST_WRITES), 0)


def at_time(draw: random.Random, folder: Path, reference: Reference, heir: str) -> Verdict:
    return pause(draw, folder, reference, heir, 0, draw.uniform(0, FORKED_SECONDS))


def pause(draw: random.Random, folder: Path, reference: Reference, heir: str, at: int, seconds: float) -> Verdict:
    name, results = draw.choice(reference.of_one_run), folder / "r"
    words = (*COMMANDS[name], "--out", results)
    what = f"{name} pauses {f'at write {at}' if at else f'after {seconds:.2f} s'}"
    sleeper = start(words, prepare=lambda: short_lease(results, at, signal.SIGSTOP))
    try:
        if not at:
            time.sleep(seconds)
            sleeper.send(signal.SIGSTOP)
        ended = sleeper.wait_until_paused()
        if ended is not None:
            return Verdict(f"{what}: ended before", ended.problem(0) or reference.difference(name, results))
        time.sleep(DEAD_AFTER_SECONDS + 0.5)
        problem = take_over(draw, heir, words, sleeper, results)
    finally:
        sleeper.end()
    return Verdict(f"{what}, its heir {heir}", problem or last(words, name, results, reference))


def short_lease(results: Path, at: int, number: int) -> None:
    shorten_leases(BEAT_SECONDS, DEAD_AFTER_SECONDS)
    signal_at_write(results, at, number)


def take_over(draw: random.Random, heir: str, words: tuple[object, ...], sleeper: Seek, results: Path) -> str:
    """Let the heir work and then the sleeper wake up; what is wrong with how they end, and with the heir's folder."""
    at = draw.randint(1, MOST_WRITES) if HEIRS[heir] else 0
    words = (*words, "--fresh") if heir == "starts afresh" else words
    process = start(words, prepare=lambda: short_lease(results, at, HEIRS[heir]))
    if heir == "goes on":
        time.sleep(draw.uniform(0.2, FORKED_SECONDS))
        sleeper.send(signal.SIGCONT)
        return told(process.wait()) or told(sleeper.wait())  # one of them has the run
    if problem := process.wait().problem(0, -signal.SIGKILL, 75):
        return problem
    left = every_byte_below(results / "runs")
    sleeper.send(signal.SIGCONT)
    ended = sleeper.wait()
    found = every_byte_below(results / "runs")
    changed = [path for path in left.keys() | found.keys() if left.get(path) != found.get(path)]
    # It removes what it was writing itself when it fell asleep, where its heir was killed before it swept that up.
    changed = [path for path in changed if path in found or f".{sleeper.pid}-" not in path]
    # Before it had the lease it sleeps as anybody who has not begun, and may then go on with what a killed heir left.
    went_on = ended.code == 0 and HEIRS[heir] and "epoch" in ended.stdout
    return told(ended) or (f"changed {changed}: {ended.stderr}" if changed and not went_on else "")


def afresh(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """Who was told to start afresh sleeps, and meanwhile others ask for the finished run: that is never lost."""
    name, at = draw.choice(reference.of_one_run), draw.randint(1, MOST_WRITES)
    results = reference.copy(name, folder / "r")
    words, before = (*COMMANDS[name], "--out", results), bytes_below(*run_folders(results))
    sleeper = start((*words, "--fresh"), prepare=lambda: short_lease(results, at, signal.SIGSTOP))
    try:
        paused = sleeper.wait_until_paused() is None
        time.sleep(DEAD_AFTER_SECONDS + 0.5)
        problem = told(seek(*words, prepare=lambda: short_lease(results, 0, 0)))
        if paused:
            sleeper.send(signal.SIGCONT)
            problem = problem or told(sleeper.wait())
    finally:
        sleeper.end()
    folders = [*run_folders(results), *(results / "runs" / ".replaced").glob("*")]
    kept = any(bytes_below(folder) == before for folder in folders)
    problem = problem or ("" if kept else f"the finished run is in none of {folders}")
    return Verdict(f"{name} --fresh pauses at write {at}", problem or last(words, name, results, reference))


def told(ended: Ended) -> str:
    """It lost its lease, or had none yet and finds the run finished or owned by its heir."""
    refused = any(words in ended.stderr for words in ("lost the lease", "is being written by"))
    return ended.problem(0, 1, 2) or ("" if ended.code == 0 or refused else f"not told why: {ended.stderr}")


def last(words: tuple[object, ...], name: str, results: Path, reference: Reference) -> str:
    """Once more: whoever had the run, it ends as one that nothing disturbed."""
    time.sleep(DEAD_AFTER_SECONDS)
    ended = seek(*words, prepare=lambda: shorten_leases(BEAT_SECONDS, DEAD_AFTER_SECONDS))
    return ended.problem(0) or reference.difference(name, results)
