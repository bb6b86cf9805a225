"""The storm's part of the fast tests: fixed cases of each kind against real processes; `make torture` has the rest.

Two tests and not one a case: each makes the runs that it disturbs once, and whatever did not hold is told at its end.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from torture import KINDS, damage, disk, flips, foreign, fuzz, kills, pause, together
from torture.reading import Library, library
from torture.runs import Case, Reference
from torture.seek_process import import_all

pytestmark = pytest.mark.storm
# Scenario and the numbers of its cases.
PROCESSES: list[tuple[Case, Iterable[int]]] = [
    (kills.case, (1, 3)),
    (pause.case, (0,)),
    (damage.damage_run, (0,)),
    (disk.limited, (0,)),
    (together.same_run, (0,)),
]
READERS: list[tuple[Case, Iterable[int]]] = [
    (flips.flip_run, (1,)),
    (flips.flip_export, (0,)),
    (damage.damage_library, (0,)),
    (foreign.swap_finished, (1,)),
    (disk.exported, (0,)),
    (fuzz.command_line, range(6)),
    (fuzz.grid_file, range(3)),
    (fuzz.run_document, (0,)),
    (fuzz.card, (0, 1)),
]


def broken(scenarios: list[tuple[Case, Iterable[int]]], folder: Path, reference: Reference) -> list[str]:
    found = []
    for case, numbers in scenarios:
        name = f"{case.__module__.rpartition('.')[2]}.{case.__name__}"
        for number in numbers:
            own = folder / f"{name}-{number}"
            own.mkdir()
            verdict = case(random.Random(f"{name} {number}"), own, reference)
            found += [f"{name} {number}: {verdict.what}: {verdict.broken}"] if verdict.broken else []
    return found


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    import_all()
    return Reference(tmp_path / "reference", names=("base",))


@pytest.fixture
def shelf(reference: Reference) -> Library:
    return library(reference)


def test_disturbed_runs_end_as_undisturbed_ones(tmp_path: Path, reference: Reference) -> None:
    reference.prepare()
    assert broken(PROCESSES, tmp_path, reference) == []


def test_tampered_files_and_random_words_are_told_of(tmp_path: Path, reference: Reference, shelf: Library) -> None:
    shelf.prepare(seeds=1)
    assert broken(READERS, tmp_path, reference) == []


def test_the_page_tells_of_every_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "robustness.md").read_text(encoding="utf-8")
    assert [line.split("|")[1].strip() for line in page.partition("| kind |")[2].splitlines()[2:11]] == list(KINDS)
