"""The storm's runs: small enough for a second each, and what equal ones must share to the last byte."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from run_content import content

from torture.seek_process import seek

# Two steps an epoch, a checkpoint after each; k=1, so that the larger model takes steps too.
SHORT = ("--model", "resnet8-to-14", "--batch-size", "20", "--limit-train", "40", "--device", "cpu", "--k", "1")
SAVING = ("--checkpoint-minutes", "0")
COMMANDS: dict[str, tuple[str, ...]] = {
    "alternating": ("train", *SHORT, *SAVING, "--epochs", "2"),
    "base": ("train", *SHORT, *SAVING, "--epochs", "2", "--schedule", "base"),
    "grow": ("train", *SHORT, *SAVING, "--epochs", "2", "--schedule", "grow", "--at", "0.5"),
    "seeds": ("train", *SHORT, *SAVING, "--epochs", "1", "--schedule", "base", "--seeds", "2"),
}
MAY_DIFFER = r"checkpoint/step-\d+\.safetensors$|\.damaged-\d+|^\..*lease.*\.tmp"
# Codes of a process that was killed, or asked to stop; and of one that was not.
ENDED_BY = {9: (-9,), 15: (-15, 75), 2: (-2, 130), 1: (-1, 75)}


@dataclass(frozen=True)
class Verdict:
    """What a case did, and what did not hold; empty where all of it did."""

    what: str
    broken: str = ""
    topic: str = ""  # of kinds that are counted by what they are about


@dataclass(frozen=True)
class Reference:
    """Undisturbed runs, each made once in a folder of its own, that the cases copy and compare with."""

    folder: Path
    names: tuple[str, ...] = tuple(COMMANDS)

    @property
    def of_one_run(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != "seeds")

    def results(self, name: str) -> Path:
        return self.folder / name

    def prepare(self) -> None:
        for name in self.names:
            run(*COMMANDS[name], "--out", self.results(name))

    def copy(self, name: str, to: Path) -> Path:
        """A copy of the results of a command, to be disturbed."""
        shutil.copytree(self.results(name), to)
        return to

    def weights(self, name: str, file: str) -> bytes:
        (run,) = run_folders(self.results(name))
        return (run / file).read_bytes()

    def difference(self, name: str, results: Path) -> str:
        """In what the runs in a results folder differ from the undisturbed ones; empty where they are equal."""
        expected = contents(self.results(name))
        found = run_folders(results)
        if [folder.name for folder in found] != sorted(expected):
            return f"runs {[folder.name for folder in found]} instead of {sorted(expected)}"
        for folder in found:
            names = expected[folder.name][0]
            if found_names := sorted(set(file_names(folder)) ^ set(names)):
                return f"{folder.name} differs in the files that it has: {found_names}"
        return self.number_difference(name, results)

    def number_difference(self, name: str, results: Path) -> str:
        """The same of tables, weights and final numbers alone."""
        expected = contents(self.results(name))
        for folder in run_folders(results):
            if difference := difference_of(expected[folder.name][1], equal_content(folder)):
                return f"{folder.name} differs in {difference}"
        return ""


Case = Callable[[random.Random, Path, Reference], Verdict]


def run(*words: object) -> None:
    """A command that nothing disturbs. Raises RuntimeError where it fails: then there is no storm to speak of."""
    if problem := seek(*words).problem(0):
        raise RuntimeError(problem)


def run_folders(results: Path) -> list[Path]:
    runs = results / "runs"
    return sorted(path for path in runs.iterdir() if not path.name.startswith(".")) if runs.is_dir() else []


def file_names(folder: Path) -> list[str]:
    """Names below a run folder without those of the checkpoints, of which a resumed run may have one more or fewer.

    What was set aside as damaged stays for its owner to look at, and half a lease until it is a minute old.
    """
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return sorted(name for name in names if not re.search(MAY_DIFFER, name))


@cache
def contents(results: Path) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """By run id the names of its files and what equal runs share. Of folders that nobody changes any more."""
    return {folder.name: (file_names(folder), equal_content(folder)) for folder in run_folders(results)}


def equal_content(folder: Path) -> dict[str, Any]:
    """What two equal runs share: all of their tables but measured columns, whole files where none is measured."""
    rows, steps, models, status = content(folder)
    tables = {name: (folder / name).read_bytes() for name in ("steps.parquet", "classes.parquet")}
    return {"rows": rows, "steps": steps, "status": status, **models, **tables}


def difference_of(expected: dict[str, Any], found: dict[str, Any]) -> str:
    return ", ".join(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path, but for leases and what killed writers left: both may be swept up."""
    files = (path for path in folder.rglob("*") if path.is_file() and not re.search(r"lease|\.tmp", path.name))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def every_byte_below(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
