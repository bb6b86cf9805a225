"""A process that sleeps for longer than its lease lasts wakes up to a folder that is an heir's, and changes nothing.

Sleeping is played in one process: where the run is about to write, its lease is made old, a second run of the same
command takes over and finishes, and the first goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import tiny

from seekcli import files
from seekcli.engines.run import train_run
from seekcli.errors import RunFailed, SeekError
from seekcli.runs import exclusive
from seekcli.runs.folder import RunFolder

RUN = tiny(train__epochs=1, data__name="synthetic:1x8x8:2:10")


def content(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if "lease" not in name.name}


def make_old(folder: Path) -> None:
    """As if its owner had given no sign of life for five minutes."""
    for path in (folder / "lease.json", *folder.glob(".lease-after-*")):
        if path.exists():
            os.utime(path, (time.time() - 300,) * 2)


class Sleep:
    """Falls asleep at the moment `at`, for as long as an heir needs, and remembers what the heir left."""

    def __init__(self, results: Path, at: int | None, fresh: bool = False) -> None:
        self.results, self.at, self.fresh = results, at, fresh
        self.moments: list[str] = []
        self.heirs: dict[str, bytes] | None = None

    def moment(self, what: str) -> None:
        if self.heirs is not None:
            return
        self.moments.append(what)
        if len(self.moments) - 1 == self.at:
            self.heirs = {}
            make_old(RunFolder.of(self.results, RUN.config).path)
            train_run(RUN, self.results)
            self.heirs = content(RunFolder.of(self.results, RUN.config).path)

    def before(self, function: Callable) -> Callable:
        def sleepy(path: Path, *rest: object, **options: object) -> object:
            self.moment(f"{function.__name__} {path.suffix or path.name}")
            return function(path, *rest, **options)

        return sleepy

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, name in (
            *((files, name) for name in ("write_with", "sync", "remove", "quarantine", "set_aside")),
            (exclusive, "create_exclusive"),
        ):
            monkeypatch.setattr(module, name, self.before(getattr(module, name)))

    def end(self) -> str:
        """How the sleeper ended."""
        try:
            return train_run(RUN, self.results, fresh=self.fresh).state
        except SeekError as error:
            return str(error)


def moments(tmp_path: Path, prepare: Callable[[Path], None], fresh: bool = False) -> int:
    prepare(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        sleep = Sleep(tmp_path, None, fresh)
        sleep.patch(patch)
        assert sleep.end() == "finished"
    return len(sleep.moments)


def begin(results: Path) -> None:
    """An unfinished run of two checkpoints, the newer one damaged."""
    train_run(RUN, results)
    folder = RunFolder.of(results, RUN.config).path
    (checkpoint,) = (folder / "checkpoint").iterdir()
    checkpoint.with_name("step-000000009.safetensors").write_bytes(b"damaged")
    (folder / "status.json").unlink()


def nothing(results: Path) -> None:
    """A run that has not begun."""


def finish(results: Path) -> None:
    train_run(RUN, results)


# Two runs a moment: the fast tests take every ninth, the slow ones all of them.
@pytest.mark.parametrize(
    ("prepare", "fresh", "fewest", "every"),
    [
        pytest.param(nothing, False, 30, 9, id="from the start"),
        pytest.param(nothing, False, 30, 1, id="from the start, all", marks=pytest.mark.slow),
        pytest.param(begin, False, 12, 1, id="resumed, all", marks=pytest.mark.slow),
        pytest.param(finish, True, 30, 1, id="afresh, all", marks=pytest.mark.slow),
    ],
)
def test_who_sleeps_past_its_lease_changes_nothing_of_its_heir(
    tmp_path: Path, prepare: Callable[[Path], None], fresh: bool, fewest: int, every: int
) -> None:
    total = moments(tmp_path / "awake", prepare, fresh)
    assert total >= fewest
    for at in range(4, total, every):
        results = tmp_path / str(at)
        prepare(results)
        with pytest.MonkeyPatch.context() as patch:
            sleep = Sleep(results, at, fresh)
            sleep.patch(patch)
            end = sleep.end()
        assert sleep.heirs is not None
        assert "lost the lease" in end or end == "finished", (at, sleep.moments[at], end)
        folder = RunFolder.of(results, RUN.config).path
        # Who was told to start afresh may set aside what an heir finished before that began.
        left = [content(path) for path in (folder, *folder.parent.glob(".replaced/*"))]
        assert sleep.heirs in (left if fresh else left[:1]), (at, sleep.moments[at], end)


def test_a_write_whose_lease_is_lost_says_so_and_not_what_became_of_its_file(tmp_path: Path) -> None:
    def lost() -> None:
        raise RunFailed("lost the lease")

    for refused in (
        lambda: files.write_bytes(tmp_path / "new" / "file", b"x", lost),
        lambda: files.remove(tmp_path / "kept", lost),
        lambda: files.quarantine(tmp_path / "kept", lost),
        lambda: files.set_aside(tmp_path / "kept", lost),
    ):
        (tmp_path / "kept").mkdir(exist_ok=True)
        with pytest.raises(RunFailed, match="lost the lease"):
            refused()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".replaced") == ["kept"]
