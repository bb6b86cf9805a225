"""Worker processes of one grid: every run once, to the same numbers; failures, stops and deaths lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from resumed_runs import content
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.documents import read_document
from seekcli.engines.slots import (
    Slot,
    cpu_slots,
    fitting_slots,
    gpu_slots,
    memory_bytes,
    physical_cores,
    usable_cores,
    visible_gpus,
)
from seekcli.runs import records

GRID = """
name = "small"
seeds = 2
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:400"
train.epochs = {epochs}
[[arms]]
schedule = "base"
[[arms]]
schedule = "alternating"
optimizer.lr = {lr}
"""


def seek(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "seekcli", *(str(word) for word in words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def grid_run(folder: Path, *words: object, epochs: int = 1, lr: str = "0.1") -> subprocess.Popen[str]:
    file = folder / "small.toml"
    file.write_text(GRID.format(epochs=epochs, lr=lr), encoding="utf-8")
    return seek("grid", "run", file, "--threads", 1, *(words if "--jobs" in words else ("--jobs", 1, *words)))


def runs_of(results: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted((results / "runs").iterdir()) if not path.name.startswith(".")}


def test_cores_are_shared_and_gpus_filled_evenly() -> None:
    assert [slot.threads for slot in cpu_slots(2)] == [max(1, usable_cores() // 2)] * 2
    assert cpu_slots(1, threads=3) == [Slot(3)]
    assert cpu_slots(10_000)[0].threads == 1
    assert [slot.gpu for slot in gpu_slots(2, ["0", "3"], threads=1)] == ["0", "3", "0", "3"]
    assert Slot(2, "3").environment == {
        "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "3",
    }  # fmt: skip
    assert "CUDA_VISIBLE_DEVICES" not in Slot(2).environment


def test_as_many_workers_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seekcli.engines.slots.physical_cores", lambda: 8)
    monkeypatch.setattr("seekcli.engines.slots.memory_bytes", lambda: 64_000_000_000)
    assert fitting_slots(20) == [Slot(1)] * 8
    assert fitting_slots(3) == [Slot(2)] * 3
    assert fitting_slots(20, threads=4) == [Slot(4)] * 2  # what the grid was begun with
    assert fitting_slots(20, threads=16) == [Slot(16)]
    monkeypatch.setattr("seekcli.engines.slots.memory_bytes", lambda: 5_000_000_000)
    assert fitting_slots(20) == [Slot(4)] * 2


def test_a_container_has_the_cores_and_the_memory_that_it_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("seekcli.engines.slots.CGROUP", tmp_path)
    monkeypatch.setattr("seekcli.engines.slots.usable_cores", lambda: 6)
    monkeypatch.setattr("seekcli.engines.slots.CPUS", tmp_path)  # it does not say which are the same core
    assert physical_cores() == 6
    assert memory_bytes() > 2**27
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert physical_cores() == 2
    assert memory_bytes() == 1_000_000
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert physical_cores() == 6


def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from seekcli.cli.grid_workers import fitting
    from seekcli.grid.plan import points_of_grid

    (tmp_path / "g.toml").write_text(GRID.format(epochs=1, lr=0.1), encoding="utf-8")
    points = points_of_grid(tmp_path / "g.toml")
    cuda = [replace(one, resolved=one.resolved.updated({"runtime.device": "cuda"}, "test")) for one in points]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [slot.gpu for slot in fitting(cuda, 1)] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert fitting(cuda, 1) == []  # this process has it
    assert fitting(points, 1) == [Slot(1)]


def test_gpus_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 2")
    assert visible_gpus() == ["GPU-a", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_threads_hold_without_workers_too(tmp_path: Path) -> None:
    file, threads = tmp_path / "small.toml", torch.get_num_threads()
    file.write_text(GRID.format(epochs=1, lr=0.1).replace("seeds = 2", "seeds = 1"), encoding="utf-8")
    words = ["grid", "run", file, "--threads", 2, "--jobs", 1, "--out", tmp_path / "results", "--set", "train.steps=1"]
    try:
        done = CliRunner().invoke(app, [str(word) for word in words])
    finally:
        torch.set_num_threads(threads)
    environments = [read_document(path) for path in tmp_path.glob("results/runs/*/environment.json")]
    assert {one["threads"] for one in environments} == {2}, done.output
    assert len(environments) == 2


@pytest.mark.slow
def test_two_workers_do_every_run_once_to_the_numbers_of_one(tmp_path: Path) -> None:
    _, err = grid_run(tmp_path, "--jobs", 2, "--out", tmp_path / "two").communicate(timeout=240)
    assert "2 workers with 1 thread each" in err
    assert err.count("/4] ") == 4
    one = grid_run(tmp_path, "--out", tmp_path / "one")
    one.communicate(timeout=240)
    assert one.returncode == 0
    two = runs_of(tmp_path / "two")
    assert sorted(two) == sorted(runs_of(tmp_path / "one"))
    assert all(content(folder) == content(tmp_path / "one" / "runs" / name) for name, folder in two.items())
    assert {records.read_status(folder).state for folder in two.values()} == {"finished"}


@pytest.mark.slow
def test_without_jobs_the_cores_are_shared_by_workers(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(GRID.format(epochs=1, lr=0.1), encoding="utf-8")
    words = ["grid", "run", tmp_path / "g.toml", "--out", tmp_path / "r"]
    _, err = seek(*words).communicate(timeout=240)
    many = min(4, physical_cores())
    assert (f"{many} workers with " in err) == (many > 1)
    begun = {read_document(path)["threads"] for path in tmp_path.glob("r/runs/*/environment.json")}
    assert len(begun) == 1
    text = (tmp_path / "g.toml").read_text(encoding="utf-8").replace("seeds = 2", "seeds = 3")
    (tmp_path / "g.toml").write_text(text, encoding="utf-8")
    for more in (["--jobs", 1], []):  # whatever --jobs is, a grid goes on with the number that it was begun with
        process = seek(*words, *more)
        process.communicate(timeout=240)
        assert process.returncode == 0
    assert {read_document(path)["threads"] for path in tmp_path.glob("r/runs/*/environment.json")} == begun


@pytest.mark.slow
def test_a_run_that_fails_stops_no_other_and_the_table_says_how_to_repeat_it(tmp_path: Path) -> None:
    done = grid_run(tmp_path, "--jobs", 2, "--out", tmp_path / "results", lr="1e30")
    _, err = done.communicate(timeout=240)
    assert done.returncode == 1
    assert "4 runs: 2 finished, 2 failed" in err
    assert err.count("non-finite loss") >= 2
    assert "again     seek train --schedule alternating --seed 0 --base resnet8" in err
    assert "--set runtime.threads=1" in err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_stop_reaches_all_workers_and_the_same_command_goes_on(tmp_path: Path, number: int, code: int) -> None:
    process = grid_run(tmp_path, "--jobs", 2, "--out", tmp_path / "results", epochs=200)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("results/runs/*/epochs.parquet"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False).stdout == b""
    states = [records.read_status(path.parent).state for path in tmp_path.glob("results/runs/*/status.json")]
    assert states == ["stopped"] * 2


def children_of(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in found.splitlines()[1:]]
    return [int(pid) for pid, its_parent in pairs if int(its_parent) == parent]


@pytest.mark.slow
def test_workers_that_die_are_told_of_and_their_runs_go_on_here(tmp_path: Path) -> None:
    process = grid_run(tmp_path, "--jobs", 2, "--out", tmp_path / "results", epochs=200)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("results/runs/*/epochs.parquet"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for pid in children_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while children_of(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "a worker ended with exit code -9" in err
    assert "this process goes on with what is left" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs 0: expected 1 to 256"),
        (["--jobs", "many"], "--jobs 'many': expected auto or 1 to 256"),
        (["--threads", "0"], "--threads 0: expected 1 to 256"),
        (["--threads", "2", "--set", "runtime.threads=1"], "--threads 2: the grid says runtime.threads = 1"),
        (["--per-gpu", "1", "--jobs", "2"], "give one of the two"),
        (["--per-gpu", "1"], "--per-gpu 1: there is no CUDA device here; --jobs N starts N workers on the CPU"),
    ],
)
def test_numbers_that_cannot_be_are_told(tmp_path: Path, monkeypatch, words: list[str], said: str) -> None:
    from typer.testing import CliRunner

    from seekcli.cli.app import app

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    file = tmp_path / "small.toml"
    file.write_text(GRID.format(epochs=1, lr=0.1), encoding="utf-8")
    result = CliRunner().invoke(app, ["grid", "run", str(file), "--out", str(tmp_path / "results"), *words])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "results").exists()


def test_a_folder_that_takes_no_runs_is_refused_once_and_starts_no_worker(tmp_path: Path) -> None:
    file, photos = tmp_path / "small.toml", tmp_path / "photos"
    file.write_text(GRID.format(epochs=1, lr=0.1), encoding="utf-8")
    (photos / "train").mkdir(parents=True)
    result = CliRunner().invoke(app, ["grid", "run", str(file), "--out", str(photos), "--jobs", "2"])
    (_, said) = result.stderr.splitlines()
    assert result.exit_code == 2
    assert said.startswith(f"seek: error: results folder {photos} holds something else")
    work = CliRunner().invoke(app, ["grid", "work", str(file), "--per-gpu", "2"], env={"CUDA_VISIBLE_DEVICES": ""})
    assert work.stderr == "seek: error: --per-gpu 2: there is no CUDA device here\n"
    unsaid = CliRunner().invoke(app, ["grid", "work", str(file), "--shard", ""])
    assert unsaid.stderr == "seek: error: --shard '': expected NUMBER/COUNT, such as 1/4, the first of four\n"
