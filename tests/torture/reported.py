"""Reported: faults that `seek` once had, each as it was reported, with real processes.

The first six faults of one report; what `seek` did then is in docs/robustness.md beside what it does now.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

from torture import disk, flips, foreign, pause
from torture.reading import compare_tells, evaluated_export, library, placeless, refused_by_name
from torture.runs import COMMANDS, SHORT, Case, Reference, Verdict, bytes_below, run_folders
from torture.seek_process import limit_file_size, seek, signal_at_write, start

prepare = foreign.prepare
FIRST_CHECKPOINT = 38


def failed_before_its_checkpoint(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """1. A run that fails before its first checkpoint starts again by the same command."""
    name, results = draw.choice(reference.of_one_run), folder / "r"
    words = (*COMMANDS[name], "--out", results)
    if draw.random() < 0.3:
        hot = (*words, "--lr", "1e30")
        ends = [seek(*hot), seek(*hot)]
        problem = ends[0].problem(1) or ends[1].problem(1)
        named = all("non-finite" in ended.stderr for ended in ends)
        return Verdict(f"{name} with a loss that is not finite, twice", problem or ("" if named else ends[1].stderr))
    limit_bytes = draw.choice((200_000, 250_000, 300_000))  # all but the checkpoint can be written
    ended = seek(*words, prepare=lambda: limit_file_size(limit_bytes))
    problem = ended.problem(1) or ("" if "checkpoint" in ended.stderr else f"not the checkpoint: {ended.stderr}")
    what = f"{name} under a limit of {limit_bytes} bytes a file, then without"
    return Verdict(what, problem or disk.with_room(words, name, results, reference))


def bad_points(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """2. Damaged and failing points, and those of a live process, keep no other point from running."""
    results, grid = folder / "r", folder / "grid.toml"
    settings = "\n".join(f"{key} = {value}" for key, value in GRID_SETTINGS.items())
    grid.write_text(f"seeds = 2\n[settings]\n{settings}\n[[arms]]\noptimizer.lr = [0.01, 1e30]\n")
    words = ("grid", "run", grid, "--jobs", 1, "--out", results)
    one = ("train", *SHORT, "--epochs", "1", "--schedule", "base", "--lr", "0.01", "--out", results)
    if problem := seek(*one, "--seed", "0").problem(0):
        return Verdict("before", problem)
    (damaged,) = run_folders(results)
    (damaged / "config.json").write_bytes(b"{")
    owner = start((*one, "--seed", "1"), prepare=lambda: signal_at_write(results, FIRST_CHECKPOINT, signal.SIGSTOP))
    try:
        owner.wait_until_paused()
        planned = seek("grid", "plan", grid, "--out", results)
        running = start(words)
        time.sleep(draw.uniform(1, 3))
        owner.send(signal.SIGCONT)
        ended, owned = running.wait(), owner.wait()
    finally:
        owner.end()
    problems = [planned.problem(0), ended.problem(1), owned.problem(0)]
    if not planned.stdout.startswith("damaged"):
        problems.append(f"not planned: {planned.stdout}")
    if "4 runs: 1 damaged" not in ended.stderr or "2 failed" not in ended.stderr or "1 finished" not in ended.stderr:
        problems.append(f"no outcome for each: {ended.stderr}")
    return Verdict("a grid of 4: damaged, owned, two that fail", next(filter(None, problems), ""))


GRID_SETTINGS = {
    "model": '"resnet8-to-14"',
    "schedule": '"base"',
    "recipe": '"digits"',
    "runtime.device": '"cpu"',
    "data.limit_train": 40,
    "train.batch_size": 20,
    "train.epochs": 1,
}


def foreign_files(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """3. A checkpoint, table or status of a run of another seed, learning rate or k is not taken for the run's own."""
    other, name = (
        draw.choice(("seed", "learning rate", "condition")),
        draw.choice(("checkpoint", "tables", "status.json")),
    )
    results = reference.copy("alternating", folder / "r")
    words = (*COMMANDS["alternating"], "--out", results)
    (own,), (source,) = run_folders(results), run_folders(reference.results(other))
    files = ("epochs.parquet", "steps.parquet") if name == "tables" else (name,)
    for file in files:
        if file == "checkpoint":
            shutil.rmtree(own / file)
            shutil.copytree(source / file, own / file)
        else:
            shutil.copy(source / file, own / file)
    if name != "status.json":
        (own / "status.json").unlink()  # as a process leaves it that is killed before its end: it is resumed
    ended = seek(*words)
    named = any(word in ended.stderr for word in files) and source.name in ended.stderr
    problem = ended.problem(2) or ("" if named else f"neither file nor owner: {ended.stderr}")
    return Verdict(f"{name} of a run with another {other}", problem)


def paused_between_check_and_write(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """4. A process that sleeps right before a write for longer than its lease changes nothing of its heir's."""
    return pause.at_write(draw, folder, reference, heir="finishes")


def flipped_status(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """5. No flipped bit of a status changes what compare prints, unsaid."""
    shelf = library(reference)
    results, run_id = shelf.copy(folder / "r"), shelf.pick(draw)
    bit = flips.flip(draw, results / "runs" / run_id / "status.json")
    return Verdict(f"bit {bit} of a status", compare_tells(shelf, results, run_id, "status.json"))


def flipped_card(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """5. Nor one of a card what evaluate prints."""
    shelf = library(reference)
    run_id = shelf.pick(draw)
    exports = Path(shutil.copytree(shelf.exports(run_id), folder / "e"))
    path = draw.choice(sorted(exports.glob("*.json")))
    bit = flips.flip(draw, path)
    ended = seek("evaluate", exports)
    same = ended.code != 0 or placeless(ended.stdout, exports) == evaluated_export(shelf, run_id)
    problem = ended.problem(0, 2) or refused_by_name(ended, path.name)
    return Verdict(f"bit {bit} of a card", problem or ("" if same else f"other numbers: {ended.stdout}"))


def fresh_on_a_full_disk(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """6. --fresh on a full disk leaves the finished run where it is."""
    name = draw.choice(reference.of_one_run)
    if not disk.can_mount():
        return Verdict("this user may not mount a small disk: nothing tried")
    with disk.small_disk(folder / "disk", 14) as small:
        results = reference.copy(name, small / "r")
        before = bytes_below(results)
        disk.fill(small, draw.randrange(1_000_000))
        ended = seek(*COMMANDS[name], "--out", results, "--fresh")
        there = bytes_below(results) == before
    return Verdict(f"{name} --fresh", ended.problem(2) or ("" if there else f"not where it was: {ended.stderr}"))


REPORTED: tuple[Case, ...] = (
    failed_before_its_checkpoint,
    bad_points,
    foreign_files,
    paused_between_check_and_write,
    flipped_status,
    flipped_card,
    fresh_on_a_full_disk,
)


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """Every fault as often as the others, flips more often: they take no time."""
    reported = draw.choice((*REPORTED, *[flipped_status] * 4, *[flipped_card] * 4))
    return replace(reported(draw, folder, reference), topic=(reported.__doc__ or "").splitlines()[0])
