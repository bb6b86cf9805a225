"""The storm: every kind of scenario in turn, each with as many cases as its share of the time allows.

    make torture                                             (or, in tests/: python -m torture --minutes 20 --seed 0)
    python -m torture --only kills --seed 0 --case 17 --keep /tmp/k       one case again, its folder kept

Case N of a kind and seed is always the same one, up to what the clock of the machine decides. Exit 1 if anything did
not hold.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

# Before anything imports torch: one thread, as in the tests, and no network.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}

from torture import KINDS
from torture.measured import Tally, tables, write_into
from torture.reading import library
from torture.runs import Reference, Verdict
from torture.seek_process import import_all


def prepare(reference: Reference, kinds: Iterable[str]) -> None:
    """The undisturbed runs, some of which one kind alone needs."""
    reference.prepare()
    library(reference).prepare()
    for kind in kinds:
        module = importlib.import_module(f"torture.{kind}")
        if hasattr(module, "prepare"):
            module.prepare(reference)


def try_case(kind: str, seed: int, number: int, base: Path, reference: Reference, keep: bool) -> Verdict:
    """One case, in a folder of its own. An error of the storm itself is no hold."""
    folder = base / f"{kind}-{number}"
    folder.mkdir(parents=True)
    draw = random.Random(f"{kind} {seed} {number}")
    try:
        return importlib.import_module(f"torture.{kind}").case(draw, folder, reference)
    except Exception:  # noqa: BLE001
        return Verdict("the storm's own error", traceback.format_exc())
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def storm(kind: str, numbers: Iterator[int], until: float, arguments: argparse.Namespace, base: Path) -> Tally:
    """Cases side by side until the time is over; those that have begun are waited for."""
    tally, began = Tally(kind), time.monotonic()
    reference = Reference(base / "reference")
    with ProcessPoolExecutor(arguments.jobs, get_context("fork")) as pool:
        running: dict[Future[Verdict], int] = {}
        while True:
            while len(running) < arguments.jobs and time.monotonic() < until:
                number = next(numbers, None)
                if number is None:
                    break
                job = (kind, arguments.seed, number, base, reference, bool(arguments.keep))
                running[pool.submit(try_case, *job)] = number
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                tell(tally, running.pop(done), done.result(), arguments)
    tally.seconds = time.monotonic() - began
    return tally


def tell(tally: Tally, number: int, verdict: Verdict, arguments: argparse.Namespace) -> None:
    tally.add(number, verdict)
    if verdict.broken or arguments.verbose:
        print(f"{'BROKEN' if verdict.broken else 'held'} {tally.kind} case {number}: {verdict.what}", flush=True)
        print(verdict.broken, flush=True) if verdict.broken else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20.0, help="for all kinds together")
    parser.add_argument("--cases", type=int, help="so many of each kind, however long they take")
    parser.add_argument("--only", choices=KINDS, action="append", help="one kind; may be given again")
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases side by side")
    parser.add_argument("--keep", type=Path, help="a new folder for the cases' files, which are kept")
    parser.add_argument("--write", type=Path, help="a page with markers to put the counts in")
    parser.add_argument("--verbose", action="store_true", help="tell of the cases that held, too")
    arguments = parser.parse_args()
    kinds = arguments.only or KINDS
    import_all()
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="seek-torture-"))
    tallies = []
    try:
        prepare(Reference(base / "reference"), kinds)
        for kind in kinds:
            last = (arguments.case or 0) + 1 if arguments.case is not None else arguments.cases or sys.maxsize
            fixed = arguments.case is not None or arguments.cases is not None
            until = time.monotonic() + (1e9 if fixed else 60 * arguments.minutes / len(kinds))
            tallies.append(storm(kind, iter(range(arguments.case or 0, last)), until, arguments, base))
            print(tallies[-1].line(), flush=True)
    finally:
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    if arguments.write:
        write_into(arguments.write, tables(tallies, f"python -m torture {shlex.join(sys.argv[1:])}"))
    broken = [f"--only {tally.kind} --case {number}" for tally in tallies for number in tally.broken]
    for words in broken:
        print(f"again: PYTHONPATH=tests python -m torture --seed {arguments.seed} {words} --keep FOLDER")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
