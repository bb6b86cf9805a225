"""What the commands that read say of a results folder in which one run was tampered with: the old numbers, or its name.

The folder holds six finished runs, of two seeds each. A number that differs and is not told of is the one thing that
must never be.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torture.runs import SHORT, Reference, bytes_below, run, run_folders
from torture.seek_process import Ended, seek

Rows = dict[str, dict[str, Any]]
ONE = ("train", *SHORT, "--epochs", "1")


@dataclass(frozen=True)
class Library:
    """The six runs, what each command prints of them, and one export of each alternating run."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def exports(self, run_id: str) -> Path:
        return self.folder / "exports" / run_id

    def prepare(self, seeds: int = 2) -> None:
        run(*ONE, "--schedule", "all", "--seeds", seeds, "--out", self.results)
        for folder in run_folders(self.results):
            run("export", folder, "--to", self.exports(folder.name))

    def command_of(self, run_id: str) -> tuple[str, ...]:
        """What trains this run alone."""
        schedule = "alternating" if "-to-" in run_id else "base" if run_id.startswith("resnet8_") else "motivated"
        return (*ONE, "--schedule", schedule, "--seed", re.search(r"_s(\d)_", run_id)[1])

    def pick(self, draw: random.Random) -> str:
        return draw.choice(run_folders(self.results)).name

    def copy(self, to: Path) -> Path:
        # Another case may be asking whether locks work there.
        shutil.copytree(self.results, to, ignore=shutil.ignore_patterns(".doctor-*"))
        return to


def library(reference: Reference) -> Library:
    return Library(reference.folder / "library")


@cache
def compared(library: Library, without: str | None = None) -> str:
    """The table of `compare`, of all runs or of all but one."""
    folders = [folder for folder in run_folders(library.results) if folder.name != without]
    return asked("compare", "--format", "csv", *folders)


@cache
def listed(library: Library) -> Rows:
    return rows_of(asked("list", "runs", "--format", "json", "--out", library.results))


@cache
def evaluated(library: Library, run_id: str) -> str:
    return placeless(asked("evaluate", library.results / "runs" / run_id), library.results)


@cache
def evaluated_export(library: Library, run_id: str) -> str:
    return placeless(asked("evaluate", library.exports(run_id)), library.exports(run_id))


@cache
def printed_by_train(library: Library, run_id: str) -> str:
    return placeless(asked(*library.command_of(run_id), "--out", library.results), library.results)


def asked(*words: object) -> str:
    ended = seek(*words)
    if problem := ended.problem(0):
        raise RuntimeError(problem)
    return ended.stdout


def placeless(text: str, folder: Path) -> str:
    return text.replace(str(folder), "")


def rows_of(text: str) -> Rows:
    """Run id -> what is listed of it, without its path."""
    return {row["run"]: {key: value for key, value in row.items() if key != "path"} for row in json.loads(text)}


def numbers_told(library: Library, results: Path, run_id: str, name: str) -> str:
    """What is wrong with what the five commands say of `results`, where file `name` of a run was tampered with."""
    return (
        compare_tells(library, results, run_id, name)
        or list_tells(library, results, run_id, name)
        or export_tells(library, results, run_id, name)
        or evaluate_tells(library, results, run_id, name)
        or train_tells(library, results, run_id, name)
    )


def compare_tells(library: Library, results: Path, run_id: str, name: str) -> str:
    ended = seek("compare", "--format", "csv", results)
    if problem := ended.problem(0, 2):
        return problem
    if ended.stdout == compared(library):
        return "" if ended.code == 0 else f"all are compared, and the exit code is {ended.code}: {ended.stderr}"
    # A run without its config stands in a group of its own, as runs of published tables do, and the reader is told.
    alone = name == "config.json" and "config.json is missing" in ended.stderr
    if not alone and ended.stdout != compared(library, run_id):
        return f"compare prints other numbers: {ended.stdout}"
    if ended.code != (0 if alone else 2):
        return f"exit code {ended.code} of compare{'' if alone else ' without a run'}: {ended.stderr}"
    return "" if alone or (run_id in ended.stderr and name in ended.stderr) else f"compare is silent of {run_id}/{name}"


def list_tells(library: Library, results: Path, run_id: str, name: str) -> str:
    ended = seek("list", "runs", "--format", "json", "--out", results)
    if problem := ended.problem(0):
        return problem
    expected, found = listed(library), rows_of(ended.stdout)
    wrong = {key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)}
    if wrong <= {run_id} and (not wrong or name in str(found.get(run_id, {}).get("message"))):
        return ""
    return f"list runs prints other numbers, of {sorted(wrong)}: {ended.stdout}"


def export_tells(library: Library, results: Path, run_id: str, name: str) -> str:
    to = results.with_name("exported")
    ended = seek("export", results / "runs" / run_id, "--to", to)
    written = bytes_below(to)
    shutil.rmtree(to, ignore_errors=True)
    # The card of a run whose environment.json is gone says less, and the reader is told.
    less = name == "environment.json" and "environment.json is missing" in ended.stderr
    if ended.code == 0 and not less and written != bytes_below(library.exports(run_id)):
        return "export writes other files"
    return ended.problem(0, 2) or refused_by_name(ended, name) or ("export wrote" if ended.code and written else "")


def evaluate_tells(library: Library, results: Path, run_id: str, name: str) -> str:
    ended = seek("evaluate", results / "runs" / run_id)
    if ended.code == 0 and placeless(ended.stdout, results) != evaluated(library, run_id):
        return f"evaluate prints other numbers: {ended.stdout}"
    return ended.problem(0, 2) or refused_by_name(ended, name)


def train_tells(library: Library, results: Path, run_id: str, name: str) -> str:
    """The command that made the run: it prints the numbers again, or names the file."""
    ended = seek(*library.command_of(run_id), "--out", results)
    before = printed_by_train(library, run_id)
    goes_on = name == "status.json" and "going on from step" in ended.stdout  # nothing says that it is finished
    now = placeless(ended.stdout, results)
    same = [] != accuracies(now) == accuracies(before) if goes_on else now == before
    if ended.code == 0 and not same:
        return f"train prints other numbers: {ended.stdout}"
    return ended.problem(0, 2) or refused_by_name(ended, name)


def accuracies(printed: str) -> list[str]:
    """The lines that say what a run ended with."""
    return [line for line in printed.splitlines() if "test accuracy" in line and "after epoch" in line]


def refused_by_name(ended: Ended, name: str) -> str:
    return "" if ended.code == 0 or name in ended.stderr else f"{name} is not named: {ended.stderr}"
