"""A grid that goes on: `--fail-fast`, `retry`, a file that is edited meanwhile, the threads that it began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.documents import read_document, write_document
from seekcli.engines import local
from seekcli.engines.run import train_run
from seekcli.errors import RunFailed
from seekcli.grid.plan import points_of_grid

# With the first learning rate every run fails: its loss is not finite.
GRID = """
seeds = {seeds}
[settings]
pair = {{ base = "resnet8", motivated = "resnet14" }}
data.name = "synthetic:1x8x8:3:30"
train = {{ epochs = 1, batch_size = 4 }}
runtime.device = "cpu"
[[arms]]
schedule = "base"
optimizer.lr = {rates}
"""


def seek(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def grid_of(folder: Path, seeds: int, rates: str) -> Path:
    path = folder / "g.toml"
    path.write_text(GRID.format(seeds=seeds, rates=rates), encoding="utf-8")
    return path


def ids(grid: Path) -> list[str | None]:
    return [point.run_id for point in points_of_grid(grid)]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Resolved]:
    """The runs that are trained from here on, in their order."""
    return watch_training(monkeypatch, lambda: None)


def watch_training(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> list[Resolved]:
    found: list[Resolved] = []

    def train_and_note(resolved: Resolved, *words: Any, **flags: Any) -> Any:
        found.append(resolved)
        meanwhile()
        return train_run(resolved, *words, **flags)

    monkeypatch.setattr(local, "train_run", train_and_note)
    return found


def names(runs: list[Resolved]) -> list[str]:
    return [run_id(one.config) for one in runs]


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_fail_fast_begins_nothing_after_the_first_failure(tmp_path: Path, trained: list[Resolved]) -> None:
    grid, out = grid_of(tmp_path, 2, "[1e30, 0.1]"), tmp_path / "r"
    result = seek("grid", "run", grid, "--out", out, "--fail-fast")
    first, *others = ids(grid)
    assert (result.exit_code, names(trained)) == (1, [first])
    assert [path.name for path in (out / "runs").iterdir()] == [first]
    lines = result.stderr.splitlines()
    assert "4 runs: 1 failed, 3 not begun" in lines
    assert [line.split()[-1] for line in lines if line.startswith("not begun ")] == others
    assert result.stderr.count("not begun, since another run failed (--fail-fast)") == 3
    assert result.stderr.count("\nagain ") == 1  # of the one that failed; the others need the same command
    assert lines[-1] == "seek: error: 4 of 4 runs are not finished, 3 of them never begun"


def test_retry_runs_the_failed_points_again_and_leaves_all_others(tmp_path: Path, trained: list[Resolved]) -> None:
    grid, out = grid_of(tmp_path, 2, "[1e30, 0.1]"), tmp_path / "r"
    assert seek("grid", "retry", grid, "--out", out).stderr == f"{grid}: no point has failed\n"
    assert not out.exists()
    assert seek("grid", "run", grid, "--out", out).exit_code == 1
    failed, finished = ids(grid)[::2], ids(grid)[1::2]
    before = [state_of(out / "runs" / str(name)) for name in finished]
    grid_of(tmp_path, 3, "[1e30, 0.1]")  # the points of a third seed are new, not failed
    trained.clear()
    result = seek("grid", "retry", grid, "--out", out)
    assert (result.exit_code, names(trained)) == (1, failed)
    assert "2 runs: 2 failed" in result.stderr
    assert [state_of(out / "runs" / str(name)) for name in finished] == before
    assert sorted(path.name for path in (out / "runs").iterdir()) == sorted(map(str, failed + finished))


def test_a_grid_that_is_edited_while_it_runs_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, out = grid_of(tmp_path, 1, "[0.1]"), tmp_path / "r"
    trained = watch_training(monkeypatch, lambda: grid_of(tmp_path, 2, "[0.1]"))
    result = seek("grid", "run", grid, "--out", out)
    assert (result.exit_code, len(trained)) == (2, 1)  # the points of the text that it began with
    errors = [line for line in result.stderr.splitlines() if line.startswith("seek: error: ")]
    assert errors == result.stderr.splitlines()[-1:]
    assert f"grid file {grid} was edited while it ran" in errors[0]
    assert seek("grid", "run", grid, "--out", out).exit_code == 0  # the command that was told does what is new
    assert names(trained) == ids(grid)


def test_an_edit_is_told_beside_a_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid, out = grid_of(tmp_path, 1, "[1e30]"), tmp_path / "r"
    watch_training(monkeypatch, lambda: grid_of(tmp_path, 2, "[1e30]"))
    result = seek("grid", "run", grid, "--out", out)
    last = result.stderr.splitlines()[-1]
    assert result.exit_code == 1
    assert last.startswith("seek: error: 1 of 1 runs failed; ")
    assert f"grid file {grid} was edited while it ran" in last


def test_a_grid_goes_on_with_the_threads_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not trained with them: two threads on a core that others use as well take half a minute."""
    out, grid = tmp_path / "r", grid_of(tmp_path, 1, "[0.1]")
    assert seek("grid", "run", grid, "--out", out).exit_code == 0
    environment = out / "runs" / str(ids(grid)[0]) / "environment.json"
    write_document(environment, read_document(environment) | {"threads": 3})
    grid_of(tmp_path, 2, "[0.1]")

    def refuse() -> None:
        raise RunFailed("no training here")

    trained = watch_training(monkeypatch, refuse)
    assert seek("grid", "run", grid, "--out", out).exit_code == 1
    assert seek("grid", "run", grid, "--out", out, "--threads", 2).exit_code == 1
    assert seek("grid", "run", grid, "--out", out, "--set", "runtime.threads=1").exit_code == 1
    assert [one.config.runtime.threads for one in trained] == [3, 2, 1]  # what is asked for stands above the record
