"""`--engine ray` without Ray: bad words, how many tasks there is room for, and workers whose starter is gone."""

from __future__ import annotations

import _thread
import importlib.machinery
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.engines.ray import RayEngine, run_worker
from seekcli.engines.starter import STARTED_BY
from seekcli.errors import BadInput

GRID = """
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:60"
train = { steps = 1, batch_size = 16 }
runtime.device = "cpu"
[[arms]]
schedule = "base"
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "g.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A cluster of 8 CPUs and 2 GPUs that runs nothing."""
    resources = {"CPU": 8.0, "GPU": 2.0}
    fake = SimpleNamespace(init=lambda *_, **__: None, shutdown=lambda: None, cluster_resources=lambda: resources)
    fake.__spec__ = importlib.machinery.ModuleSpec("ray", None)
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_without_the_extra_its_command_is_told(grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "ray")  # as `--engine ray` of a shell
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--engine ray needs ray: pip install 'seekcli[ray]'" in result.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "--ray-address 127.0.0.1:1 does not answer: "),
        ("ray://127.0.0.1:1", "--ray-address ray://127.0.0.1:1 does not answer: "),
        ("here", "--ray-address here: expected HOST:PORT, ray://HOST:PORT or auto"),
        ("a:b", "--ray-address a:b: expected HOST:PORT"),
    ],
)
def test_an_address_that_does_not_answer_is_one_line(
    grid: Path, tmp_path: Path, ray: SimpleNamespace, address: str, said: str
) -> None:
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "ray", "--ray-address", address)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    assert said in result.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("settings", "gpus", "left", "tasks"),
    [
        ({}, 0.0, 100, 8),
        ({}, 0.0, 3, 3),
        ({"cpus_per_task": 3}, 0.0, 100, 2),
        ({}, 0.25, 100, 8),
        ({}, 1 / 3, 100, 6),
        ({"tasks": 4}, 0.25, 100, 4),
    ],
)
def test_there_are_as_many_tasks_as_the_cluster_has_room_for(
    ray: SimpleNamespace, settings: dict[str, int], gpus: float, left: int, tasks: int
) -> None:
    assert len(RayEngine(settings, gpus).slots(left)) == tasks


def test_an_address_of_the_grid_file_is_told_by_its_key(grid: Path, tmp_path: Path, ray: SimpleNamespace) -> None:
    grid.write_text(GRID + "[engine.ray]\naddress = 'here'\n", encoding="utf-8")
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "ray")
    assert result.stderr == (
        "seek: error: engine.ray.address of the grid file: here: expected HOST:PORT, ray://HOST:PORT or auto\n"
    )
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "ray", "--jobs", "2")
    assert (result.exit_code, "--jobs is for --engine local, and not for --engine ray" in result.stderr) == (2, True)


def test_a_folder_that_takes_no_runs_is_refused_before_a_cluster_is_begun(
    grid: Path, tmp_path: Path, ray: SimpleNamespace
) -> None:
    ray.init = lambda *_, **__: pytest.fail("a cluster is begun")
    (tmp_path / "photos" / "train").mkdir(parents=True)
    result = seek("grid", "run", grid, "--out", tmp_path / "photos", "--engine", "ray")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    assert f"results folder {tmp_path / 'photos'} holds something else" in result.stderr


def test_a_cluster_without_room_is_told(ray: SimpleNamespace) -> None:
    with pytest.raises(BadInput, match="a task wants 1 CPU and 3 GPUs, and the cluster has 8 CPUs and 2 GPUs"):
        RayEngine({}, 3.0).slots(1)


def test_a_worker_whose_starter_is_gone_saves_and_leaves(grid: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(STARTED_BY, str(os.getppid()))
    assert seek("grid", "work", grid, "--out", tmp_path / "r").exit_code == 0
    monkeypatch.setenv(STARTED_BY, str(os.getpid()))
    words = ("--out", tmp_path / "s", "--set", "train.steps=3")
    left = seek("grid", "work", grid, *words)
    assert left.exit_code == 75, left.output
    assert "stopped, since the process that started this worker is gone: saved at step 1" in left.stderr
    monkeypatch.delenv(STARTED_BY)
    assert seek("grid", "work", grid, *words).exit_code == 0


def test_a_task_is_cancelled_where_what_started_it_ignores_ctrl_c(tmp_path: Path, monkeypatch) -> None:
    """As after `nohup seek grid run ... &`. Ray cancels by `interrupt_main`, which does nothing then."""
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexec sleep 3\n", encoding="utf-8")
    worker.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(worker))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        threading.Timer(0.1, _thread.interrupt_main).start()
        assert run_worker([], "", {}, str(tmp_path)) == (75, "cancelled")
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_worker_is_in_the_folder_of_the_command_and_its_last_words_come_back(tmp_path: Path, monkeypatch) -> None:
    """Ray's own folder is where its daemon was started: settings such as `folder:photos` are found from here."""
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\necho first >&2\npwd >&2\nexit 2\n", encoding="utf-8")
    worker.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(worker))
    before = signal.getsignal(signal.SIGINT)
    try:
        assert run_worker([], "", {}, str(tmp_path)) == (2, str(tmp_path))
        assert run_worker([], "", {}, str(tmp_path / "not on this node")) == (2, os.getcwd())
    finally:
        signal.signal(signal.SIGINT, before)


def test_tasks_that_have_ended_are_not_cancelled(ray: SimpleNamespace) -> None:
    """Ray ends the process where that meets the end of the task."""
    cancelled: list[str] = []
    ended = {"first"}
    ray.cancel = lambda task: cancelled.append(task) or ended.add(task)
    ray.wait = lambda tasks, **_: ([one for one in tasks if one in ended], [one for one in tasks if one not in ended])
    engine = RayEngine({}, 0.0)
    engine.tasks = ["first", "second"]
    engine.cancel()
    engine.cancel()
    assert cancelled == ["second"]
