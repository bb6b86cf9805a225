"""The fixed cases of the tests, as a program: it prints as JSON what of them did not hold.

A process of its own, since the storm forks: one that has computed gradients or used CUDA must not be forked.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable
from pathlib import Path

from torture import damage, disk, flips, foreign, fuzz, kills, pause, together
from torture.reading import library
from torture.runs import Case, Reference
from torture.seek_process import import_all

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


def main(folder: Path) -> list[str]:
    import_all()
    reference = Reference(folder / "reference", names=("base",))
    reference.prepare()
    library(reference).prepare(seeds=1)
    return broken([*PROCESSES, *READERS], folder, reference)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
