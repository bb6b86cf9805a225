"""Two commands, started apart, run one grid into one results folder: each takes the points that the other has not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seekcli.runs import records

GRID = """
seeds = 3
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:{images}"
train = {{ epochs = {epochs}, batch_size = 8 }}
runtime = {{ device = "cpu", threads = 1 }}
[[arms]]
schedule = "base"
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def grid_run(tmp_path: Path) -> Iterator[Start]:
    """Starts `seek grid run` of g.toml; whatever a test says, no process outlives it."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        of_grid = ["grid", "run", str(tmp_path / "g.toml"), "--jobs", "1", "--out", str(tmp_path / "r"), *words]
        process = subprocess.Popen(
            [sys.executable, "-m", "seekcli", *of_grid], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()  # it asks its workers to stop
            process.communicate(timeout=60)


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trained(stdout: str) -> dict[str, list[int]]:
    """Run id -> the epochs that a process trained of it."""
    found: dict[str, list[int]] = {}
    for event in map(json.loads, stdout.splitlines()):
        if event["event"] == "epoch":
            found.setdefault(event["rows"][0]["run_id"], []).append(event["rows"][0]["epoch"])
    return found


@pytest.mark.slow
def test_two_commands_share_the_points_of_a_grid_and_train_each_once(tmp_path: Path, grid_run: Start) -> None:
    (tmp_path / "g.toml").write_text(GRID.format(images=64, epochs=4), encoding="utf-8")
    first = grid_run("--progress", "json")
    wait_until(lambda: list(tmp_path.glob("r/runs/*/epochs.parquet")))
    first.send_signal(signal.SIGSTOP)  # in the middle of a point, which is nobody else's as long as it lives
    [held] = [path.parent.name for path in tmp_path.glob("r/runs/*/epochs.parquet")]
    second = grid_run("--progress", "json")
    assert second.stderr is not None
    said = ""
    while "waiting: " not in said:  # it has done all the others
        line = second.stderr.readline()
        assert line, said
        said += line
    assert held in said.splitlines()[-1]
    assert f"being written by process {first.pid}" in said
    first.send_signal(signal.SIGCONT)
    outs = [process.communicate(timeout=120) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], outs
    by_first, by_second = (trained(out) for out, _ in outs)
    assert by_first == {held: [1, 2, 3, 4]}
    assert len(by_second) == 2
    assert all(epochs == [1, 2, 3, 4] for epochs in by_second.values())
    folders = [path for path in (tmp_path / "r" / "runs").iterdir() if not path.name.startswith(".")]
    assert {path.name for path in folders} == {*by_first, *by_second}
    assert {records.read_status(path).state for path in folders} == {"finished"}
    assert not [*tmp_path.glob("r/runs/*/lease.json"), *tmp_path.glob("r/runs/*/.lease-*")]


def under_way(results: Path) -> list[Path]:
    """The folders that are written, with an epoch in them."""
    folders = [path.parent for path in results.glob("runs/*/lease.json") if (path.parent / records.STATUS).exists()]
    return [folder for folder in folders if records.read_status(folder).epochs_done]


def writer_of(folder: Path) -> int:
    return int(json.loads((folder / "lease.json").read_text(encoding="utf-8"))["pid"])


@pytest.mark.slow
def test_the_point_of_a_worker_that_is_killed_goes_on_in_another(tmp_path: Path, grid_run: Start) -> None:
    (tmp_path / "g.toml").write_text(GRID.format(images=240, epochs=10), encoding="utf-8")
    process = grid_run("--jobs", "2")
    wait_until(lambda: len(under_way(tmp_path / "r")) == 2)
    killed = under_way(tmp_path / "r")[0]
    victim = writer_of(killed)
    os.kill(victim, signal.SIGSTOP)  # so that what is read now is what it leaves
    before = records.read_epochs(killed / records.EPOCHS)
    saved = records.read_status(killed).epochs_done
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: records.read_status(killed).epochs_done > saved)
    assert writer_of(killed) not in (victim, process.pid)  # the other worker, while this one still watches
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "a worker ended with exit code -9" in said
    assert [said.count(f"\n[{number}/3] ") for number in (1, 2, 3)] == [1, 1, 1]
    rows = records.read_epochs(killed / records.EPOCHS)
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert rows[:saved] == before[:saved]  # the seconds that they took among them: no epoch was trained anew
    states = [records.read_status(path.parent) for path in tmp_path.glob("r/runs/*/status.json")]
    assert [(one.state, one.epochs_done) for one in states] == [("finished", 10)] * 3
