"""Half a table in a run folder: plan, status and run of a grid say the same, and the command that is told helps."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from resumed_runs import StopAfter
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.documents import read_document, write_document
from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.grid.plan import points_of_grid
from seekcli.runs.lease import Lease

GRID = """
seeds = 1
[settings]
pair = { base = "resnet8", motivated = "resnet14" }
data.name = "synthetic:1x8x8:3:30"
train = { epochs = 2, batch_size = 4 }
runtime.device = "cpu"
[[arms]]
name = "first"
schedule = "base"
[[arms]]
schedule = "motivated"
needs = ["first"]
"""
STEPS_OF_AN_EPOCH = 6


def seek(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def results_with_one_run(folder: Path, grid: Path, finished: bool) -> Path:
    stop = StopAfter(10_000 if finished else STEPS_OF_AN_EPOCH + 1)
    first = points_of_grid(grid)[0].resolved
    try:
        train_run(first, folder, stop, stop_requested=lambda: "stop" if stop.left <= 0 else None)
    except Stopped:
        assert not finished
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("damage")
    (folder / "g.toml").write_text(GRID, encoding="utf-8")
    return {each: results_with_one_run(folder / str(each), folder / "g.toml", each) for each in (True, False)}


@pytest.mark.parametrize(
    ("table", "finished"),
    [
        ("epochs.parquet", True),
        ("steps.parquet", False),
        *(pytest.param(f"{name}.parquet", is_done, marks=pytest.mark.slow)
          for name, is_done in (("epochs", False), ("steps", True), ("classes", False), ("classes", True))),
    ],
)  # fmt: skip
def test_half_a_table_is_told_by_plan_and_run_alike(
    tmp_path: Path, prepared: dict[bool, Path], table: str, finished: bool
) -> None:
    grid, out = prepared[finished].parent / "g.toml", tmp_path / "r"
    shutil.copytree(prepared[finished], out)
    name = points_of_grid(grid)[0].run_id
    path = out / "runs" / str(name) / table
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = path.read_bytes()

    rows = json.loads(seek("grid", "plan", grid, "--out", out, "--format", "json").stdout)
    assert [row["state"] for row in rows] == ["damaged", "waits"]
    assert f"{path} is damaged or no parquet file" in rows[0]["problem"]
    assert "2 runs: 1 damaged, 1 waits" in seek("grid", "status", grid, "--out", out).stdout

    result = seek("grid", "run", grid, "--out", out)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert path.read_bytes() == before
    lines = result.stderr.splitlines()
    at = lines.index("2 runs: 1 damaged, 1 waiting")
    assert lines[at + 1].split() == ["damaged", name]
    assert f"{path} is damaged or no parquet file" in lines[at + 2]
    assert lines[at + 5] == f"cause     waits for {name}, which is damaged"
    again = seek(*shlex.split(lines[at + 3].removeprefix("again"))[1:])
    assert again.exit_code == 0, again.output
    assert seek("grid", "run", grid, "--out", out).exit_code == 0


def test_a_run_of_a_newer_seek_keeps_no_other_point_from_being_done(tmp_path: Path, prepared: dict[bool, Path]) -> None:
    out, grid = tmp_path / "r", tmp_path / "g.toml"
    shutil.copytree(prepared[True], out)
    more = '[[arms]]\nname = "other"\nschedule = "motivated"\ntrain.epochs = 1\n'
    grid.write_text(GRID + more, encoding="utf-8")
    name = points_of_grid(grid)[0].run_id
    path = out / "runs" / str(name) / "config.json"
    write_document(path, read_document(path) | {"schema_version": 99})
    assert "3 runs: 1 newer, 1 new, 1 waits" in seek("grid", "status", grid, "--out", out).stdout

    result = seek("grid", "run", grid, "--out", out, "--jobs", "1")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    at = lines.index("3 runs: 1 newer, 1 finished, 1 waiting")
    assert lines[at + 1].split() == ["newer", name]
    assert f"{path} was written by a newer seek" in lines[at + 2]
    assert "a seek of that version can read it" in lines[at + 3]
    assert lines[at + 5] == f"cause     waits for {name}, which a newer seek wrote"
    assert "3 runs: 1 finished, 1 newer, 1 waits" in seek("grid", "status", grid, "--out", out).stdout


def test_a_run_that_is_written_is_running_whatever_its_tables_hold(tmp_path: Path, prepared: dict[bool, Path]) -> None:
    grid, out = prepared[False].parent / "g.toml", tmp_path / "r"
    shutil.copytree(prepared[False], out)
    folder = out / "runs" / str(points_of_grid(grid)[0].run_id)
    (folder / "epochs.parquet").write_bytes(b"half")
    with Lease.acquire(folder):
        assert "1 running" in seek("grid", "status", grid, "--out", out).stdout
    assert "1 damaged" in seek("grid", "status", grid, "--out", out).stdout
