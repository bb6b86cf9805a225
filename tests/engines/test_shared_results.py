"""Two commands, started apart, run one grid into one results folder: each takes the points that the other has not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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


def grid_run(folder: Path) -> subprocess.Popen[str]:
    words = ["grid", "run", str(folder / "g.toml"), "--out", str(folder / "r"), "--progress", "json"]
    return subprocess.Popen(
        [sys.executable, "-m", "seekcli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


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
def test_two_commands_share_the_points_of_a_grid_and_train_each_once(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(GRID.format(images=64, epochs=4), encoding="utf-8")
    first = grid_run(tmp_path)
    wait_until(lambda: list(tmp_path.glob("r/runs/*/epochs.parquet")))
    first.send_signal(signal.SIGSTOP)  # in the middle of a point, which is nobody else's as long as it lives
    [held] = [path.parent.name for path in tmp_path.glob("r/runs/*/epochs.parquet")]
    second = grid_run(tmp_path)
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
