"""Damage: a file of a run folder cut short, emptied, removed, overwritten or replaced, whatever the state of the run.

The same command ends with the bytes of an undisturbed run, or refuses with one line; then --fresh makes them.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from torture.reading import library, numbers_told
from torture.runs import COMMANDS, Reference, Verdict, bytes_below, run_folders
from torture.seek_process import seek, signal_at_write

# From the first checkpoint of a run to right before its end.
FIRST_WRITE, LAST_WRITE = 38, 126


def cut(draw: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])


def empty(draw: random.Random, path: Path) -> None:
    path.write_bytes(b"")


def remove(draw: random.Random, path: Path) -> None:
    path.unlink()


def blank(draw: random.Random, path: Path) -> None:
    """A block of zeros, as a disk has it that lost its power."""
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data))
    size = min(draw.choice((16, 512, 4096)), len(data) - start)
    data[start : start + size] = bytes(size)
    path.write_bytes(data)


def scramble(draw: random.Random, path: Path) -> None:
    path.write_bytes(draw.randbytes(path.stat().st_size))


def append(draw: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.choice((1, 100, 5000))))


def become_folder(draw: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(draw: random.Random, path: Path) -> None:
    """A link that leads nowhere."""
    path.unlink()
    path.symlink_to("nowhere")


def take_sibling(draw: random.Random, path: Path) -> None:
    """The content of another file of the run."""
    files = [other for other in path.parent.rglob("*") if other.is_file() and other != path]
    path.write_bytes(draw.choice(sorted(files)).read_bytes() if files else b"")


Damage = Callable[[random.Random, Path], None]
DAMAGES: tuple[Damage, ...] = (cut, empty, remove, blank, scramble, append, become_folder, become_link, take_sibling)


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    return damage_library(draw, folder, reference) if draw.random() < 0.3 else damage_run(draw, folder, reference)


def damage_library(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """Finished runs, read by every command."""
    shelf = library(reference)
    results, run_id = shelf.copy(folder / "r"), shelf.pick(draw)
    path = draw.choice(sorted(path for path in (results / "runs" / run_id).iterdir() if path.is_file()))
    damage = draw.choice(DAMAGES)
    damage(draw, path)
    return Verdict(f"{damage.__name__} {run_id}/{path.name}", numbers_told(shelf, results, run_id, path.name))


def damage_run(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """A run that was killed somewhere, or stopped, or is finished; then it is trained on."""
    name = draw.choice(reference.of_one_run)
    words, results = (*COMMANDS[name], "--out", folder / "r"), folder / "r"
    number = draw.choice((signal.SIGKILL, signal.SIGTERM))
    at = draw.choice((10**6, draw.randint(FIRST_WRITE, LAST_WRITE)))
    seek(*words, prepare=lambda: signal_at_write(results, at, number))
    (run,) = run_folders(results)
    told = []
    for _ in range(draw.choice((1, 1, 2))):
        path = draw.choice(sorted(path for path in run.rglob("*") if path.is_file() and ".tmp" not in path.name))
        damage = draw.choice(DAMAGES)
        damage(draw, path)
        if path.name == "lease.json" and path.is_file():  # a damaged lease is somebody's until it is a minute old
            os.utime(path, (time.time() - 61,) * 2)
        told.append(f"{damage.__name__} {path.relative_to(run)}")
    what = f"{name} {'finished' if at == 10**6 else f'{number.name} at write {at}'}, then {', '.join(told)}"
    return Verdict(what, train_tells(words, name, results, reference))


def train_tells(words: tuple[object, ...], name: str, results: Path, reference: Reference) -> str:
    """What is wrong with how the same command goes on after the damage."""
    before = bytes_below(results)
    ended = seek(*words)
    if problem := ended.problem(0, 1, 2):
        return problem
    if ended.code == 0:
        return reference.number_difference(name, results) and export_tells(name, results, reference)
    if ended.code == 2 and bytes_below(results) != before:
        return f"exit 2, and something was written: {ended.stderr}"
    if "/runs/" not in ended.stderr:
        return f"nothing is named: {ended.stderr}"
    if "--fresh" not in ended.stderr:
        return ""
    again = seek(*words, "--fresh")
    return again.problem(0) or reference.difference(name, results)


def export_tells(name: str, results: Path, reference: Reference) -> str:
    """A finished run is not trained again for the sake of its weights: who reads them is told."""
    (run,) = run_folders(results)
    refused = {
        path.name for path in run.glob("*.safetensors") if path.read_bytes() != reference.weights(name, path.name)
    }
    difference = reference.number_difference(name, results)
    if set(difference.rpartition(" differs in ")[2].split(", ")) != refused:
        return difference
    ended = seek("export", run, "--to", results.with_name("e"))
    named = any(word in ended.stderr for word in (*refused, "environment.json"))  # which export reads before them
    return ended.problem(2) or ("" if named else f"{refused} not named: {ended.stderr}")
