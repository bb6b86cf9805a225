"""The loop over runs: every run has its own outcome, and processes that share a list share the work."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
from tiny import TINY, tiny

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.engines import local
from seekcli.engines.local import LocalEngine, Observer
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, DamagedRun, RunFailed, Stopped
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import Lease

RUNS = [tiny(schedule="base", train__epochs=1, seed=seed) for seed in range(4)]


class Watcher(Observer):
    def __init__(self):
        self.begun, self.ends, self.held = [], [], []

    def begins(self, resolved, state):
        self.begun.append((resolved.config.seed, state))
        return super().begins(resolved, state)

    def ended(self, outcome, begun):
        self.ends.append(outcome.resolved.config.seed)

    def waits(self, held):
        self.held.append([str(error) for error in held])


def fake_training(monkeypatch, errors=None):
    """Training in no time: a status, or the error of that seed."""

    def trained(resolved, results, progress, *, fresh, stop_requested, ranks):
        error = (errors or {}).get(resolved.config.seed)
        if error is not None:
            raise error
        return resolved.config.seed

    monkeypatch.setattr(local, "train_run", trained)


def states(outcomes):
    return [outcome.state for outcome in outcomes]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RunFailed("non-finite loss"), "failed"),
        (DamagedRun("no good checkpoint"), "damaged"),
        (BadInput("no data"), "refused"),
        (ZeroDivisionError("of somebody's condition"), "failed"),
        (MemoryError(), "failed"),
    ],
)
def test_a_bad_run_never_stops_those_after_it(tmp_path, monkeypatch, error, state):
    fake_training(monkeypatch, {0: error, 2: error})
    watcher = Watcher()
    outcomes = LocalEngine(tmp_path, watcher).run(RUNS)
    assert states(outcomes) == [state, "finished", state, "finished"]
    assert watcher.ends == [0, 1, 2, 3]
    assert str(error) in outcomes[0].cause
    assert outcomes[1].cause == ""


def test_a_damaged_folder_is_an_outcome_too(tmp_path, monkeypatch):
    fake_training(monkeypatch)
    folder = RunFolder.of(tmp_path, RUNS[0].config).path
    folder.mkdir(parents=True)
    (folder / records.CONFIG).write_text("{")
    outcomes = LocalEngine(tmp_path, Watcher()).run(RUNS)
    assert states(outcomes) == ["damaged", "finished", "finished", "finished"]
    assert "config.json" in outcomes[0].cause


def test_a_stop_ends_the_loop(tmp_path, monkeypatch):
    fake_training(monkeypatch, {1: Stopped("saved")})
    watcher = Watcher()
    with pytest.raises(Stopped):
        LocalEngine(tmp_path, watcher).run(RUNS)
    assert watcher.ends == [0]


def test_a_run_of_another_process_comes_after_the_others_and_is_waited_for(tmp_path):
    """Its owner trains it to its end, or dies: then it is trained here."""
    watcher = Watcher()
    done, dead = (RunFolder.of(tmp_path, RUNS[number].config).path for number in (0, 1))
    finishing, dying = Lease.acquire(done), Lease.acquire(dead)

    class Owners(Watcher):
        def waits(self, held):
            super().waits(held)
            if len(self.held) == 1:
                finishing.release()
                train_run(RUNS[0], tmp_path)
            else:
                dying.release()

    watcher = Owners()
    outcomes = LocalEngine(tmp_path, watcher, poll_seconds=0.01).run(RUNS)
    assert states(outcomes) == ["finished"] * 4
    assert [seed for seed, _ in watcher.begun] == [2, 3, 1]
    assert watcher.ends == [2, 3, 0, 1]
    assert [len(held) for held in watcher.held] == [2, 1]
    assert "is being written by process" in watcher.held[0][0]


def test_a_run_that_failed_in_the_other_process_is_not_tried_again(tmp_path):
    hot = tiny(schedule="base", optimizer__lr=1e30)
    lease = Lease.acquire(RunFolder.of(tmp_path, hot.config).path)

    class Owner(Watcher):
        def waits(self, held):
            lease.release()
            with pytest.raises(RunFailed):
                train_run(hot, tmp_path)

    watcher = Owner()
    (outcome,) = LocalEngine(tmp_path, watcher, poll_seconds=0.01).run([hot])
    assert outcome.state == "failed"
    assert "non-finite" in outcome.cause
    assert "in another process" in outcome.cause
    assert watcher.begun == []
    (again,) = LocalEngine(tmp_path, watcher, poll_seconds=0.01).run([hot])  # asked for anew, it is tried
    assert watcher.begun == [(0, "failed")]
    assert "in another process" not in again.cause


def test_a_stop_ends_the_waiting(tmp_path):
    with Lease.acquire(RunFolder.of(tmp_path, RUNS[0].config).path):
        engine = LocalEngine(tmp_path, Watcher(), lambda: "stopped by SIGTERM", poll_seconds=60)
        with pytest.raises(Stopped, match="1 runs are left, which other processes write"):
            engine.run(RUNS[:1])


def test_one_run_alone_is_not_waited_for(tmp_path):
    with Lease.acquire(RunFolder.of(tmp_path, RUNS[0].config).path):
        (outcome,) = LocalEngine(tmp_path, Watcher()).run(RUNS[:1], wait=False)
    assert outcome.state == "refused"
    assert "is being written by" in outcome.cause


def test_finished_runs_are_told_from_a_folder_that_nobody_can_write_to(tmp_path, monkeypatch):
    train_run(RUNS[0], tmp_path)

    def read_only(*folders):
        raise BadInput("not writable")

    monkeypatch.setattr(files, "require_writable_folders", read_only)
    assert states(LocalEngine(tmp_path, Watcher()).run(RUNS[:1])) == ["finished"]
    with pytest.raises(BadInput, match="not writable"):
        LocalEngine(tmp_path, Watcher()).run(RUNS[:2])


def test_two_loops_share_a_list_and_train_each_run_once(tmp_path):
    watchers = [Watcher(), Watcher()]
    outcomes = {}

    def work(number):
        engine = LocalEngine(tmp_path, watchers[number], poll_seconds=0.05)
        outcomes[number] = engine.run(RUNS)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(outcomes[0]) == states(outcomes[1]) == ["finished"] * 4
    begun = sorted(seed for watcher in watchers for seed, _ in watcher.begun)
    assert sorted(set(begun)) == [0, 1, 2, 3]
    assert len(begun) <= 7  # a run that both look at in the same moment is begun by one of them
    assert all(records.read_status(RunFolder.of(tmp_path, one.config).path).state == "finished" for one in RUNS)


@pytest.mark.slow
def test_two_processes_share_a_grid_and_a_killed_one_is_taken_over(tmp_path):
    grid = tmp_path / "g.toml"
    settings = {key: value for key, value in TINY.items() if key != "train.epochs"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    grid.write_text("seeds = 6\n[settings]\ntrain.epochs = 40\n" + "\n".join(lines))
    out = tmp_path / "r"
    words = ["grid", "run", str(grid), "--jobs", "1", "--out", str(out), "--progress", "plain"]
    command = [sys.executable, "-m", "seekcli", *words]
    first, second, third = (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    )
    for line in third.stdout:
        if line.startswith("epoch"):
            third.kill()
            break
    third.communicate()
    errors = []
    for process in (first, second):
        stdout, stderr = process.communicate(timeout=600)
        assert process.returncode == 0, stderr
        errors.append((stdout, stderr))
    statuses = [json.loads(path.read_text()) for path in out.glob("runs/*/status.json")]
    assert [status["state"] for status in statuses] == ["finished"] * 6
    trained = [{line.split()[-1] for line in stdout.splitlines() if "; /" in line} for stdout, _ in errors]
    assert all(trained), errors  # each of them trained some of the runs
    assert not list(out.rglob("lease.json"))


def test_run_ids_name_the_outcomes():
    assert len({run_id(one.config) for one in RUNS}) == 4
