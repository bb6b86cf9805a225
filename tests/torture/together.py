"""Together: several processes start one run, or one grid, at once, and others read the results meanwhile.

Every run is trained once, by one of them; nobody reads a run as damaged; the end is that of a single process.
"""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

from torture.runs import COMMANDS, Reference, Verdict, run, run_folders
from torture.seek_process import Ended, Seek, seek, signal_at_write, start

GRID = """
seeds = 2
[settings]
model = "resnet8-to-14"
recipe = "digits"
runtime.device = "cpu"
runtime.checkpoint_minutes = 0.0
data.limit_train = 40
train.batch_size = 20
train.epochs = 1
[[arms]]
schedule = ["base", "motivated"]
[[arms]]
motivation.k = 1
"""
POLL_SECONDS = 0.3
MOST_WRITES = 135


def prepare(reference: Reference) -> None:
    run("grid", "run", grid_file(reference.folder), "--jobs", 1, "--out", reference.results("grid"))


def grid_file(folder: Path) -> Path:
    path = folder / "grid.toml"
    path.write_text(GRID)
    return path


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    kind = draw.choice((same_run, same_run, same_grid, same_grid, read_meanwhile, all_fresh))
    return kind(draw, folder, reference)


def same_run(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """One run is not waited for: who finds it owned is told by whom, and ends."""
    name, results = draw.choice(reference.of_one_run), folder / "r"
    words = (*COMMANDS[name], "--out", results)
    deadly = draw.choice((0, 0, draw.randint(1, MOST_WRITES)))
    ends = started_together(draw, words, draw.randint(2, 5), results, deadly)
    what = f"{name} started by {len(ends)}{f', one killed at write {deadly}' if deadly else ''}"
    problems = [end.problem(*((-9,) if deadly else ()), 0, 2) for end in ends]
    problems += ["not told of its owner" for end in ends if end.code == 2 and "is being written by" not in end.stderr]
    if not deadly and (times := epochs_trained(ends)) != 2:
        problems.append(f"{times} epochs trained instead of 2")
    return Verdict(what, first(problems) or seek(*words).problem(0) or reference.difference(name, results))


def same_grid(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """The points of a grid are shared, and one that another process has is waited for."""
    results = folder / "r"
    words = ("grid", "run", grid_file(folder), "--jobs", 1, "--out", results, "--progress", "plain")
    deadly = draw.choice((0, 0, draw.randint(1, 3 * MOST_WRITES)))
    ends = started_together(draw, words, draw.randint(2, 4), results, deadly)
    what = f"a grid run by {len(ends)}{f', one killed at write {deadly}' if deadly else ''}"
    problems = [end.problem(*((-9,) if deadly and number == 0 else ()), 0) for number, end in enumerate(ends)]
    points = len(run_folders(reference.results("grid")))
    if not deadly and (times := epochs_trained(ends)) != points:
        problems.append(f"{times} points trained instead of {points}")
    return Verdict(what, first(problems) or reference.difference("grid", results))


def read_meanwhile(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """`compare` and `list` see runs come and go; none of them is damaged."""
    results = folder / "r"
    words = ("grid", "run", grid_file(folder), "--jobs", 1, "--out", results)
    writer = start(words)
    problems, read = [], 0
    try:
        while (ended := writer.poll()) is None:
            time.sleep(draw.uniform(0, 0.2))
            reader = draw.choice((("compare", "--format", "csv", results), ("list", "runs", "--out", results)))
            reading = seek(*reader)
            problems.append(reading.problem(0, 2))
            problems += [f"{word}: {reading.output}" for word in ("damaged", "unreadable") if word in reading.output]
            read += 1
    finally:
        writer.end()
    return Verdict(f"a grid run, read {read} times", first(problems) or ended.problem(0))


def all_fresh(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """--fresh by several at once sets one finished run aside after the other, and never a run that is being written."""
    name = draw.choice(reference.of_one_run)
    results = reference.copy(name, folder / "r")
    words = (*COMMANDS[name], "--out", results)
    ends = started_together(draw, (*words, "--fresh"), draw.randint(2, 4), results, 0)
    problems = [end.problem(0, 1, 2) for end in ends]
    problems += [f"nobody finished: {ends[0].stderr}"] if all(end.code for end in ends) else []
    what = f"{name} --fresh by {len(ends)} ({', '.join(str(end.code) for end in ends)})"
    return Verdict(what, first(problems) or seek(*words).problem(0) or reference.difference(name, results))


def started_together(
    draw: random.Random, words: tuple[object, ...], count: int, results: Path, deadly: int
) -> list[Ended]:
    """How each of them ended; the first is killed at write `deadly`, where that is not 0."""
    spread, processes = draw.choice((0.0, 0.02, 0.5)), list[Seek]()
    try:
        for number in range(count):
            at = deadly if number == 0 else 0
            processes.append(start(words, prepare=lambda at=at: be_quick(results, at)))
            time.sleep(draw.uniform(0, spread))
        return [process.wait() for process in processes]
    finally:
        for process in processes:
            process.end()


def be_quick(results: Path, deadly: int) -> None:
    """Look at the runs of others often, and not every five seconds."""
    from seekcli.engines.local import LocalEngine

    LocalEngine.__init__.__kwdefaults__["poll_seconds"] = POLL_SECONDS
    signal_at_write(results, deadly, signal.SIGKILL)


def epochs_trained(ends: list[Ended]) -> int:
    return sum(len(re.findall(r"^epoch \d+/\d+ ", end.stdout, re.MULTILINE)) for end in ends)


def first(problems: list[str]) -> str:
    return next(filter(None, problems), "")
