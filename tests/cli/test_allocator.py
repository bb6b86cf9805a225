"""Freed memory is kept, unless the user or the system has other plans."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from seekcli.cli import allocator
from seekcli.cli.allocator import keep_freed_memory
from seekcli.cli.app import main
from seekcli.cli.stop import ENDS_WITH_COMMAND

# Pages that come anew while 48 MB are filled and freed five times: none, or all each time (24 where they are of 2 MB).
FAULTS = """
import resource
from seekcli.cli.allocator import keep_freed_memory
from seekcli.cli.app import main

assert keep_freed_memory() is {kept}
size = 48  # not a constant that is made once

def fill():
    b"x" * (size * 2**20)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


class Library:
    def __init__(self, *refused: int) -> None:
        self.refused, self.asked = refused, []

    def mallopt(self, option: int, value: int) -> int:
        self.asked.append((option, value))
        return int(option not in self.refused)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
@pytest.mark.parametrize("set_up", [{}, {"MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_memory_that_was_freed_is_not_mapped_anew(set_up: dict[str, str]) -> None:
    command = [sys.executable, "-c", FAULTS.format(kept=not set_up)]
    environment = {name: value for name, value in allocator.os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, env=environment | set_up, capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 60) is not bool(set_up)


@pytest.mark.parametrize(
    ("platform", "environment", "library"),
    [
        ("darwin", {}, Library()),
        ("linux", {"MALLOC_ARENA_MAX": "1"}, Library()),
        ("linux", {"GLIBC_TUNABLES": "glibc.rtld.x=1:glibc.malloc.trim_threshold=1"}, Library()),
        ("linux", {}, object()),
    ],
)
def test_it_is_left_alone(
    platform: str, environment: dict[str, str], library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allocator.sys, "platform", platform)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: library)
    assert not keep_freed_memory(environment)
    assert getattr(library, "asked", []) == []


def test_an_older_glibc_maps_nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(allocator.M_MMAP_THRESHOLD)
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: library)
    assert keep_freed_memory({"GLIBC_TUNABLES": "glibc.rtld.x=1"})
    assert library.asked[1:] == [(allocator.M_MMAP_MAX, 0), (allocator.M_TRIM_THRESHOLD, -1)]


def test_the_command_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("seekcli.cli.app.keep_freed_memory", lambda: called.append("memory"))
    monkeypatch.setattr("seekcli.cli.app.app", lambda prog_name: called.append(prog_name))
    main()
    assert called == ["memory", "seek"]
    assert not ENDS_WITH_COMMAND.get(), "of the command alone: another one in this process gives its signals back"


@pytest.mark.parametrize(
    ("words", "collects"), [(["compare"], False), (["list", "runs"], False), (["train"], True), ([], True)]
)
def test_what_holds_all_to_its_end_looks_for_no_cycles(
    monkeypatch: pytest.MonkeyPatch, words: list[str], collects: bool
) -> None:
    found: list[bool] = []
    monkeypatch.setattr("seekcli.cli.app.keep_freed_memory", lambda: None)
    monkeypatch.setattr("seekcli.cli.app.app", lambda prog_name: found.append(gc.isenabled()))
    monkeypatch.setattr("sys.argv", ["seek", *words])
    try:
        main()
    finally:
        gc.enable()
    assert found == [collects]
