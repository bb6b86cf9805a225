"""A full disk: from the start, or from a random write on, or for files above a size; then the same command with room.

It says so in one line and nothing that was finished is lost; with room again it ends as a run that nothing disturbed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from torture.reading import library
from torture.runs import COMMANDS, Reference, Verdict, bytes_below, run_folders
from torture.seek_process import Ended, limit_file_size, seek, signal_at_write, start

MOST_WRITES = 172
# Room for what `seek` wants to have free before a run begins, or for less; a run folder takes about 5 MB.
MEGABYTES = (1, 3, 14, 14, 14)
LARGEST_FILE_BYTES, SMALLEST_LIMIT_BYTES = 1_700_000, 5_000


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    kind = draw.choice((limited, filled, fresh, exported) if can_mount() else (limited, limited, fresh_limited))
    return kind(draw, folder, reference)


def limited(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """As `ulimit -f`."""
    name, results = draw.choice(reference.names), folder / "r"
    words, limit_bytes = (*COMMANDS[name], "--out", results), draw_limit(draw)
    ended = seek(*words, prepare=lambda: limit_file_size(limit_bytes))
    what = f"{name}, no file above {limit_bytes} bytes ({ended.code})"
    return Verdict(what, said(ended, results, {}) or with_room(words, name, results, reference))


def filled(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """A disk of few megabytes, of which somebody takes nearly all while the run pauses at a write."""
    name, at = draw.choice(reference.names), draw.choice((0, *[draw.randint(1, MOST_WRITES)] * 4))
    with small_disk(folder / "disk", draw.choice(MEGABYTES) if not at else max(MEGABYTES)) as disk:
        words, results = (*COMMANDS[name], "--out", disk / "r"), disk / "r"
        ended = fill_at(at, words, disk, draw)
        what = f"{name}, the disk full from write {at} on ({ended.code})"
        if problem := said(ended, results, {}):
            return Verdict(what, problem)
        (disk / "filler").unlink(missing_ok=True)
        if not at:  # too small for the run as it is
            shutil.copytree(results, folder / "r", dirs_exist_ok=True) if results.exists() else None
            words, results = (*COMMANDS[name], "--out", folder / "r"), folder / "r"
        return Verdict(what, with_room(words, name, results, reference))


def fresh(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """A finished run, and --fresh on a disk that is full, or becomes so."""
    name, at = draw.choice(reference.of_one_run), draw.choice((0, draw.randint(1, MOST_WRITES)))
    with small_disk(folder / "disk", 2 * max(MEGABYTES)) as disk:  # room for two runs
        results = reference.copy(name, disk / "r")
        before = bytes_below(*run_folders(results))
        words = (*COMMANDS[name], "--out", results)
        if not at:
            fill(disk, draw.choice((0, draw.randrange(4_000_000))))
        ended = fill_at(at, (*words, "--fresh"), disk, draw) if at else seek(*words, "--fresh")
        what = f"{name} --fresh, the disk full from write {at} on ({ended.code})"
        problem = said(ended, results, {}) if ended.code != 2 else ended.problem(2)
        if problem := problem or kept(before, results, ended):
            return Verdict(what, problem)
        (disk / "filler").unlink(missing_ok=True)
        return Verdict(what, with_room(words, name, results, reference))


def fresh_limited(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    name, limit_bytes = draw.choice(reference.of_one_run), draw_limit(draw)
    results = reference.copy(name, folder / "r")
    before = bytes_below(*run_folders(results))
    words = (*COMMANDS[name], "--out", results)
    ended = seek(*words, "--fresh", prepare=lambda: limit_file_size(limit_bytes))
    what = f"{name} --fresh, no file above {limit_bytes} bytes ({ended.code})"
    problem = ended.problem(0, 1, 2) or kept(before, results, ended)
    return Verdict(what, problem or with_room(words, name, results, reference))


def exported(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    shelf = library(reference)
    run_id, limit_bytes = shelf.pick(draw), draw_limit(draw)
    words = ("export", shelf.results / "runs" / run_id, "--to", folder / "e")
    ended = seek(*words, prepare=lambda: limit_file_size(limit_bytes))
    what = f"export, no file above {limit_bytes} bytes ({ended.code})"
    if problem := ended.problem(0, 1) or seek(*words).problem(0):
        return Verdict(what, problem)
    differs = bytes_below(folder / "e") != bytes_below(shelf.exports(run_id))
    return Verdict(what, "the export differs" if differs else "")


def draw_limit(draw: random.Random) -> int:
    return round(SMALLEST_LIMIT_BYTES * (LARGEST_FILE_BYTES / SMALLEST_LIMIT_BYTES) ** draw.random())


def fill_at(at: int, words: tuple[object, ...], disk: Path, draw: random.Random) -> Ended:
    process = start(words, prepare=lambda: signal_at_write(disk / "r", at, signal.SIGSTOP))
    try:
        ended = process.wait_until_paused()
        if ended is not None:
            return ended
        fill(disk, draw.choice((0, 0, draw.randrange(3_000_000))))
        process.send(signal.SIGCONT)
        return process.wait()
    finally:
        process.end()


def fill(disk: Path, left_bytes: int) -> None:
    space = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        file.write(bytes(max(0, space.f_bavail * space.f_frsize - left_bytes)))


def said(ended: Ended, results: Path, before: dict[str, bytes]) -> str:
    """One line that names the disk or the limit; nothing is written by what is refused before its start."""
    if problem := ended.problem(0, 1, 2):
        return problem
    words = ("No space left", "File too large", "not enough disk")
    if ended.code and not any(word in ended.stderr for word in words):
        return f"the disk is not named: {ended.stderr}"
    written = bytes_below(results) != before
    return f"exit 2, and something was written: {ended.stderr}" if ended.code == 2 and written else ""


def kept(before: dict[str, bytes], results: Path, ended: Ended) -> str:
    """The finished run lies where it was, or whole in .replaced where the new one has begun; that is said."""
    if any(bytes_below(folder) == before for folder in run_folders(results)):
        return ""
    replaced = results / "runs" / ".replaced"
    whole = replaced.is_dir() and any(bytes_below(folder) == before for folder in replaced.iterdir())
    if not whole:
        return f"the finished run is lost: {ended.stderr}"
    return "" if "the old run was moved to" in ended.output and ended.code != 2 else f"not told: {ended.stderr}"


def with_room(words: tuple[object, ...], name: str, results: Path, reference: Reference) -> str:
    return seek(*words).problem(0) or reference.difference(name, results)


@cache
def can_mount() -> bool:
    """Whether this user may mount a small disk in memory; where not, the limit of file sizes is what there is."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}M", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
