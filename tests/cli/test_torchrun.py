"""`torchrun --nproc-per-node 2 -m seekcli train ...` for real: what is said, what a kill leaves, what goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from resumed_runs import content
from torchrun import SECONDS, TORCHRUN, ended, run_in, started
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.cli.several import processes_layer

SAVING = ("--set", "runtime.checkpoint_minutes=0")  # after every step


def wait_for_steps(out, steps):
    """Until so many are saved."""
    until = time.monotonic() + SECONDS
    while not any(path.name >= f"step-{steps:09d}" for path in out.rglob("step-*.safetensors")):
        assert time.monotonic() < until
        time.sleep(0.02)


def children_of(process):
    """The processes that torchrun started, by their rank."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            said = dict(word.split("=", 1) for word in path.read_text().split("\0") if "=" in word)
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, UnicodeDecodeError, ValueError):
            continue
        if parent == process.pid and "RANK" in said:
            found[int(said["RANK"])] = int(path.parent.name)
    return found


@pytest.mark.slow
def test_the_first_process_speaks_for_all_and_wrong_words_are_told_once(tmp_path):
    code, stdout, stderr = ended(started(tmp_path / "out", "--epochs", "1"))
    assert code == 0, stderr
    assert stdout.count("motivated   resnet14: test accuracy") == 1
    assert stdout.count("alternating: resnet8 (base)") == 1
    assert run_in(tmp_path / "out").config().train.processes == 2
    code, stdout, stderr = ended(started(tmp_path / "none", "--batch-size", "3"))
    assert code == 1  # torchrun's own, whatever the process leaves with
    assert stdout == ""
    assert stderr.count("seek: error: --batch-size 3: 2 processes (train.processes) need at least two images each") == 1
    assert "exitcode  : 2 " in stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not run: reads /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_same_command_goes_on(tmp_path, rank):
    process = started(tmp_path / "parts", "--epochs", "8", *SAVING)
    wait_for_steps(tmp_path / "parts", 8)
    os.kill(children_of(process)[rank], signal.SIGKILL)
    code, _, stderr = ended(process)
    assert code == 1
    assert ("another process of this run is gone; what was saved is kept" in stderr) is (rank == 1)
    run = run_in(tmp_path / "parts")
    assert run.status().state == ("stopped" if rank == 1 else "running")
    saved = len(run.checkpoints())
    assert saved > 0
    for out in ("parts", "whole"):
        code, _, stderr = ended(started(tmp_path / out, "--epochs", "8", *SAVING))
        assert code == 0, stderr
    whole, parts = (content(run_in(tmp_path / out).path) for out in ("whole", "parts"))
    assert whole == parts


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not run: reads /proc")
def test_torchruns_sigterm_takes_no_words_whenever_it_comes(tmp_path):
    """Before the first process notices that another one is gone, while it records that, and while it leaves."""
    process = started(tmp_path, "--epochs", "8", *SAVING)
    wait_for_steps(tmp_path, 8)
    first, other = (children_of(process)[rank] for rank in (0, 1))
    os.kill(other, signal.SIGKILL)
    until = time.monotonic() + SECONDS
    with suppress(ProcessLookupError):
        while process.poll() is None and time.monotonic() < until:
            os.kill(first, signal.SIGTERM)
            time.sleep(0.003)
    _, _, stderr = ended(process)
    assert "another process of this run is gone; what was saved is kept" in stderr
    assert "exitcode  : 75 " in stderr
    assert run_in(tmp_path).status().state == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="not run: reads /proc")
@pytest.mark.parametrize(("rank", "sent"), [(0, signal.SIGKILL), (1, signal.SIGSTOP)])
def test_torchrun_starts_all_anew_where_one_dies_or_hangs(tmp_path, monkeypatch, rank, sent):
    """One that hangs is given up after 12 seconds here; torchrun takes 30 more until it kills it."""
    if sent == signal.SIGSTOP:
        monkeypatch.setenv("SEEK_HUNG_MINUTES", "0.2")
    process = started(tmp_path / "parts", "--epochs", "8", *SAVING, launcher=(*TORCHRUN, "--max-restarts", "1"))
    wait_for_steps(tmp_path / "parts", 8)
    os.kill(children_of(process)[rank], sent)
    code, stdout, stderr = ended(process)
    assert code == 0, stderr
    assert "going on from step" in stdout
    assert ("did not answer in time and may hang (SEEK_HUNG_MINUTES)" in stderr) is (sent == signal.SIGSTOP)
    assert ended(started(tmp_path / "whole", "--epochs", "8"))[0] == 0
    whole, parts = (content(run_in(tmp_path / out).path) for out in ("whole", "parts"))
    assert whole == parts


@pytest.mark.slow
def test_sigterm_to_torchrun_saves(tmp_path):
    process = started(tmp_path, "--epochs", "400")
    wait_for_steps(tmp_path, 6)  # the end of the first epoch
    process.terminate()
    _, _, stderr = ended(process)
    assert stderr.count("stopped by SIGTERM: saved at step ") == 1
    status = run_in(tmp_path).status()
    assert status.state == "stopped"
    assert status.steps_saved == status.steps_done > 0


def test_the_number_of_processes_is_a_setting_below_what_the_user_says(monkeypatch):
    assert processes_layer() == []
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert processes_layer() == [("torchrun", {"train.processes": 4})]


@pytest.mark.parametrize(
    "words", [["tune"], ["grid", "run", "g.toml", "--jobs", "2"], ["grid", "run", "g.toml", "--engine", "slurm"],
              ["grid", "retry", "g.toml"], ["grid", "work", "g.toml"]],
)  # fmt: skip
def test_what_splits_no_run_is_refused_before_anything_is_started(tmp_path, monkeypatch, words):
    """With workers, or a cluster, each of torchrun's processes would start its own."""
    (tmp_path / "g.toml").write_text("[settings]\nmodel = 'resnet8-to-14'\n")
    monkeypatch.chdir(tmp_path)
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, words)
    said = "2 processes were started together, and only `seek train` splits a run over them"
    assert (done.exit_code, done.stderr) == (2, f"seek: error: {said}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["g.toml"]
