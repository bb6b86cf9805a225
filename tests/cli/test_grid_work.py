"""`seek grid work`: workers that know nothing of each other do every point of a grid once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from resumed_runs import content
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.grid.plan import points_of_grid
from seekcli.runs import records
from seekcli.runs.lease import Lease

GRID = """
seeds = 2
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:60"
train = { steps = 1, batch_size = 16 }
runtime = { device = "cpu", threads = 1 }
[[arms]]
name = "alone"
schedule = "base"
optimizer.lr = [0.1, 0.2]
"""
NEEDS = '[[arms]]\nschedule = "motivated"\nneeds = ["alone"]\n'


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "g.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("signals", [["USR2", "TERM"], ["USR2"], []])
def test_the_sbatch_script_of_the_documentation_queues_again_after_75(tmp_path: Path, signals: list[str]) -> None:
    """Also where a second signal comes while the worker saves, and where the worker was stopped by another's."""
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    script = page.partition("#!/bin/bash\n")[2].partition("```")[0]
    worker = "trap 'sleep 0.5; exit 75' USR2; for i in $(seq 20); do sleep 0.05; done; exit 75"
    (tmp_path / "seek").write_text(f"#!/bin/bash\n{worker}\n", encoding="utf-8")
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho $@\n", encoding="utf-8")
    for name in ("seek", "scontrol"):
        (tmp_path / name).chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    job = subprocess.Popen(["bash", "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
    for name in signals:
        time.sleep(0.3)
        job.send_signal(getattr(signal, f"SIG{name}"))
    assert job.communicate(timeout=30)[0] == "requeue 7_3\n"


def begun(stderr: str) -> list[str]:
    """The run ids that a worker began, in order."""
    return [line.split("] ")[1] for line in stderr.splitlines() if line.startswith("[")]


def test_a_worker_does_its_own_points_first_and_then_those_that_nobody_does(grid: Path, tmp_path: Path) -> None:
    names = [point.run_id for point in points_of_grid(grid)]
    with Lease.acquire(tmp_path / "r" / "runs" / str(names[2])):
        result = seek("grid", "work", grid, "--shard", "2/2", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert begun(result.stderr) == [names[1], names[3], names[0]]
    assert "1 run left here: other workers do them" in result.stderr
    again = seek("grid", "work", grid, "--out", tmp_path / "r")
    assert begun(again.stderr) == [names[2]]
    assert seek("grid", "status", grid, "--out", tmp_path / "r").stdout == "4 runs: 4 finished\n"


def test_without_waiting_a_worker_leaves_what_needs_the_runs_of_others(grid: Path, tmp_path: Path) -> None:
    grid.write_text(GRID.replace("seeds = 2", "seeds = 1") + NEEDS, encoding="utf-8")
    names = [point.run_id for point in points_of_grid(grid)]
    with Lease.acquire(tmp_path / "r" / "runs" / str(names[0])):
        result = seek("grid", "work", grid, "--shard", "3/3", "--out", tmp_path / "r", "--leave")
    assert result.exit_code == 0, result.output
    assert begun(result.stderr) == [names[1]]
    assert "2 runs left here" in result.stderr


def test_what_others_need_is_waited_for_and_done_when_its_worker_is_gone(grid: Path, tmp_path: Path, monkeypatch):
    """The lease is given back when the worker has told that it waits."""
    grid.write_text(GRID.replace("seeds = 2", "seeds = 1") + NEEDS, encoding="utf-8")
    monkeypatch.setattr("seekcli.engines.local.POLL_SECONDS", 0.01)
    names = [point.run_id for point in points_of_grid(grid)]
    lease = Lease.acquire(tmp_path / "r" / "runs" / str(names[0]))
    monkeypatch.setattr("seekcli.cli.outcomes.Announcer.waits", lambda self, held: lease.release())
    result = seek("grid", "work", grid, "--shard", "3/3", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert begun(result.stderr) == [names[1], names[0], names[2]]


def test_only_its_own_shard_tries_a_failed_run_again(grid: Path, tmp_path: Path) -> None:
    bad = ("--set", "optimizer.lr=1e30", "--set", "train.steps=3")
    assert seek("grid", "work", grid, "--shard", "1/2", "--out", tmp_path / "r", *bad).exit_code == 1
    first, second = [records.read_status(path).run_id for path in sorted((tmp_path / "r" / "runs").iterdir())]
    own = seek("grid", "work", grid, "--shard", "1/2", "--out", tmp_path / "r", *bad)
    assert (own.exit_code, begun(own.stderr)) == (1, [first])
    assert "again     seek train" in own.stderr
    other = seek("grid", "work", grid, "--shard", "2/2", "--out", tmp_path / "r", *bad)
    assert begun(other.stderr) == [second]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "5/4"], "--shard 5/4: expected 1/4 to 4/4"),
        (["--order", "none.json"], "--order none.json: this is how an engine tells its workers what to do"),
        (["--threads", "0"], "--threads 0: expected 1 to 256"),
    ],
)
def test_bad_words_are_one_line_and_nothing_is_written(grid: Path, tmp_path: Path, words: list[str], said: str) -> None:
    result = seek("grid", "work", grid, "--out", tmp_path / "r", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_three_shards_at_once_do_what_one_command_does(grid: Path, tmp_path: Path) -> None:
    grid.write_text(GRID + NEEDS, encoding="utf-8")
    words = [sys.executable, "-m", "seekcli", "grid"]
    parts = [
        subprocess.Popen([*words, "work", grid, "--shard", f"{number}/3", "--out", tmp_path / "three"])
        for number in (1, 2, 3)
    ]
    assert [part.wait(timeout=240) for part in parts] == [0, 0, 0]
    subprocess.run([*words, "run", grid, "--out", tmp_path / "one"], check=True, timeout=240)
    one, three = (sorted((tmp_path / name / "runs").iterdir()) for name in ("one", "three"))
    assert [path.name for path in one] == [path.name for path in three]
    assert [content(path) for path in one] == [content(path) for path in three]
