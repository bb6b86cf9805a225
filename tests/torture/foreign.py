"""Foreign files: a file of another run lies in a run's folder. It is named, or not read; never taken for its own."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from torture.damage import FIRST_WRITE, LAST_WRITE, export_tells
from torture.reading import library, numbers_told
from torture.runs import COMMANDS, Reference, Verdict, run, run_folders
from torture.seek_process import Ended, seek, signal_at_write

OWN = COMMANDS["alternating"]
# Runs that differ from `alternating` in one thing each: what is easily mixed up.
OTHERS: dict[str, tuple[str, ...]] = {
    "seed": (*OWN, "--seed", "1"),
    "learning rate": (*OWN, "--lr", "0.07"),
    "condition": (*OWN, "--k", "2"),
    "length": (*OWN[:-1], "3"),
    "init": (*OWN, "--init", "paper"),
    "data": (*OWN, "--data", "synthetic:1x8x8:10:450"),
}
FILES = ("status.json", "config.json", "environment.json", "epochs.parquet", "steps.parquet", "classes.parquet")
FILES += ("base.safetensors", "motivated.safetensors", "checkpoint")


def prepare(reference: Reference) -> None:
    for name, words in OTHERS.items():
        run(*words, "--out", reference.results(name))


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    return swap_finished(draw, folder, reference) if draw.random() < 0.4 else swap_any(draw, folder, reference)


def swap_finished(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """Two finished runs of one results folder, read by every command."""
    shelf = library(reference)
    results, run_id = shelf.copy(folder / "r"), shelf.pick(draw)
    other = draw.choice([path for path in run_folders(results) if path.name != run_id])
    name = draw.choice([name for name in FILES[:-1] if (other / name).exists()])
    own = results / "runs" / run_id / name
    if not own.exists():  # a model file of the other role: nothing reads it
        name, own = "status.json", own.with_name("status.json")
    shutil.copy(other / name, own)
    return Verdict(f"{name} of {other.name} in {run_id}", numbers_told(shelf, results, run_id, name))


def swap_any(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """A run that was killed somewhere, or is finished, gets one or two files of another run and is trained on."""
    results, at = folder / "r", draw.choice((10**6, draw.randint(FIRST_WRITE, LAST_WRITE)))
    words = (*OWN, "--out", results)
    seek(*words, prepare=lambda: signal_at_write(results, at, 9))
    (own,) = run_folders(results)
    other = draw.choice(list(OTHERS))
    (source,) = run_folders(reference.results(other))
    names = draw.sample(FILES, draw.choice((1, 1, 2)))
    for name in names:
        copy_over(draw, source / name, own / name)
    what = f"{' and '.join(names)} of another {other} in a run {'finished' if at == 10**6 else f'killed at write {at}'}"
    return Verdict(what, outcome(seek(*words), words, results, reference, (source.name, *names)))


def copy_over(draw: random.Random, source: Path, target: Path) -> None:
    """A file, or all checkpoints in the place of the run's own, or one of them beside or over its own."""
    if source.name != "checkpoint":
        shutil.copy(source, target)
    elif draw.random() < 0.5:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        target.mkdir(exist_ok=True)
        shutil.copy(draw.choice(sorted(source.iterdir())), target)


def outcome(
    ended: Ended, words: tuple[object, ...], results: Path, reference: Reference, named: tuple[str, ...]
) -> str:
    """What is wrong: it ends with its own numbers, or refuses and names the file or the run that it is of."""
    if problem := ended.problem(0, 2):
        return problem
    if ended.code == 0:
        difference = reference.number_difference("alternating", results)
        return difference and export_tells("alternating", results, reference)
    if not any(word in ended.stderr for word in named):
        return f"neither of {named} is named: {ended.stderr}"
    again = seek(*words, "--fresh")
    return again.problem(0) or reference.difference("alternating", results)
