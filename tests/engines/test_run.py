"""A run and its folder: killed anywhere and resumed it equals one that was not; what is done is done."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from run_content import Notes, content
from tiny import tiny

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, Stopped
from seekcli.runs import records
from seekcli.runs.folder import RunFolder

TESTS = Path(__file__).resolve().parents[1]
RUN = tiny(train__epochs=2, pair__recalibrate_batches=2)  # 12 steps


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    results = tmp_path_factory.mktemp("whole")
    train_run(RUN, results)
    return content(RunFolder.of(results, RUN.config).path)


def stop_after(steps, progress):
    return lambda: "test" if len(progress.steps) >= steps else None


def test_a_run_leaves_the_folder_that_the_design_lists(tmp_path, whole):
    status = train_run(RUN, tmp_path)
    folder = RunFolder.of(tmp_path, RUN.config).path
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "epochs.parquet",
        "steps.parquet",
        "classes.parquet",
        "status.json",
        "base.safetensors",
        "motivated.safetensors",
        "checkpoint",
    }
    rows = records.read_epochs(folder / records.EPOCHS)
    assert [(row["epoch"], row["role"]) for row in rows] == [(e, r) for e in (1, 2) for r in ("base", "motivated")]
    assert all(row["base_steps"] + row["motivated_steps"] == 6 for row in rows)
    assert status.final == rows[-2:]
    models = {role: (folder / f"{role}.safetensors").read_bytes() for role in ("base", "motivated")}
    assert status.weights_sha256 == {role: hashlib.sha256(data).hexdigest() for role, data in models.items()}
    assert status.state == "finished"
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["step-000000012.safetensors"]  # for --extend
    # Two runs of one config, in one process or two, are equal to the last byte.
    assert content(folder) == whole


@pytest.mark.parametrize("stops", [(1, 2, 5, 6, 7, 11), pytest.param(range(1, 12), marks=pytest.mark.slow)])
def test_stopped_after_every_single_step_and_resumed_each_time(tmp_path, whole, stops):
    """Quickly: after the first steps, and around the end of an epoch and of the run."""
    for before, step in itertools.pairwise((0, *stops)):
        progress = Notes()
        with pytest.raises(Stopped, match=f"saved at step {step}"):
            train_run(RUN, tmp_path, progress, stop_requested=stop_after(step - before, progress))
        assert progress.steps == [*range(before + 1, step + 1)]
        assert records.read_status(RunFolder.of(tmp_path, RUN.config).path).state == "stopped"
    train_run(RUN, tmp_path)
    assert content(RunFolder.of(tmp_path, RUN.config).path) == whole


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_before_every_write_and_removal_and_resumed(tmp_path, monkeypatch, every):
    """What a kill leaves is what lies on the disk then. It is copied at each of these moments, and taken up there.

    Quickly: at every third.
    """
    resolved = tiny(train__epochs=2, data__name="synthetic:1x8x8:3:15")  # 3 steps an epoch
    whole, kills = tmp_path / "whole", []
    without_leases = shutil.ignore_patterns("*lease*")  # those of processes that are gone have tests of their own

    def copying_first(function):
        def changes(*arguments):
            if whole.exists():
                kills.append(shutil.copytree(whole, tmp_path / str(len(kills)), ignore=without_leases))
            function(*arguments)

        return changes

    with monkeypatch.context() as patch:
        for name in ("write_with", "remove"):
            patch.setattr(files, name, copying_first(getattr(files, name)))
        train_run(resolved, whole)
    expected = content(RunFolder.of(whole, resolved.config).path)
    assert len(kills) >= 12
    for results in kills[::every]:
        train_run(resolved, results)
        assert content(RunFolder.of(results, resolved.config).path) == expected, results


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(3, 8), (2, 5, 7, 9, 10)])
def test_killed_with_sigkill_at_several_moments(tmp_path, whole, steps):
    settings = {"train__epochs": 2, "pair__recalibrate_batches": 2, "runtime__checkpoint_minutes": 0.0}
    command = [sys.executable, TESTS / "kill_at_steps.py", tmp_path, json.dumps(settings), *map(str, steps)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert [kill["code"] for kill in kills] == [-signal.SIGKILL] * len(steps)
    assert "finished" not in [kill["state"] for kill in kills]
    landed = [kill["step"] for kill in kills]
    assert all(0 < step < 12 for step in landed)
    assert landed == sorted(landed)
    resolved = tiny(**settings)
    train_run(resolved, tmp_path)
    assert content(RunFolder.of(tmp_path, resolved.config).path) == whole


def test_a_finished_run_is_not_trained_again_and_fresh_sets_it_aside(tmp_path):
    resolved = tiny(train__epochs=1)
    first = train_run(resolved, tmp_path)
    progress = Notes()
    assert train_run(resolved, tmp_path, progress) == first
    assert progress.steps == []
    folder = RunFolder.of(tmp_path, resolved.config).path
    (folder / ".lease-after-aa.json").write_text("of a process that was killed right after its last write")
    os.utime(folder / ".lease-after-aa.json", (0, 0))
    assert train_run(resolved, tmp_path) == first
    assert not list(folder.glob("*lease*"))
    again = train_run(resolved, tmp_path, progress, fresh=True)
    assert len(progress.steps) == 6
    assert again.final[0]["test_accuracy_percent"] == first.final[0]["test_accuracy_percent"]
    assert len(list((tmp_path / "runs" / ".replaced").iterdir())) == 1


def test_one_classic_run_serves_as_motivated_of_one_pair_and_base_of_the_next(tmp_path):
    as_motivated = tiny(schedule="motivated", train__epochs=2)
    as_base = tiny(schedule="base", pair__base="resnet14", pair__motivated="resnet20", train__epochs=2)
    assert run_id(as_motivated.config) == run_id(as_base.config)
    progress = Notes()
    with pytest.raises(Stopped):
        train_run(as_motivated, tmp_path, progress, stop_requested=stop_after(7, progress))
    status = train_run(as_base, tmp_path)
    assert status.models == {"motivated": "resnet14"}
    folder = RunFolder.of(tmp_path, as_base.config).path
    assert (folder / "motivated.safetensors").exists()
    rows = records.read_epochs(folder / records.EPOCHS)
    assert [row["role"] for row in rows] == ["motivated"] * 2
    assert all(row[name] is None for row in rows for name in ("pair", "condition", "k", "init", "map", "coverage"))


def test_evaluation_happens_every_n_epochs_and_at_the_end(tmp_path):
    train_run(tiny(train__epochs=3, train__eval_every=2), tmp_path)
    folder = RunFolder.of(tmp_path, tiny(train__epochs=3, train__eval_every=2).config).path
    rows = [row for row in records.read_epochs(folder / records.EPOCHS) if row["role"] == "base"]
    assert [row["test_accuracy_percent"] is not None for row in rows] == [False, True, True]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A results folder with RUN stopped in its second epoch, not to be written to."""
    return stopped_run(tmp_path_factory.mktemp("stopped"), 8).parents[1]


@pytest.fixture
def unfinished(stopped, tmp_path):
    """The folder of that run in tmp_path, as if it had been trained there."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    return RunFolder.of(tmp_path, RUN.config).path


def stopped_run(results, steps):
    progress = Notes()
    with pytest.raises(Stopped):
        train_run(RUN, results, progress, stop_requested=stop_after(steps, progress))
    return RunFolder.of(results, RUN.config).path


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def test_a_damaged_newest_checkpoint_is_set_aside_and_the_previous_one_used(tmp_path, unfinished, whole):
    folder = unfinished
    newest = sorted((folder / records.CHECKPOINTS).glob("step-*"))[-1]
    damage(newest)
    progress = Notes()
    train_run(RUN, tmp_path, progress)
    assert any("damaged" in note and newest.name in note for note in progress.notes)
    assert content(folder) == whole
    assert list((folder / records.CHECKPOINTS).glob("*.damaged-1"))


def test_a_folder_named_like_a_checkpoint_is_neither_read_nor_removed(tmp_path, unfinished, whole):
    folder = unfinished
    for name in ("step-000000001.safetensors", "step-000000099.safetensors", "step-mine.safetensors"):
        (folder / records.CHECKPOINTS / name).mkdir()
        (folder / records.CHECKPOINTS / name / "mine.txt").write_text("precious")
    progress = Notes()
    train_run(RUN, tmp_path, progress)
    assert not any("damaged" in note for note in progress.notes)
    assert content(folder) == whole
    assert len(list((folder / records.CHECKPOINTS).glob("step-*/mine.txt"))) == 3


@pytest.mark.parametrize("how", ["flipped", "truncated", "empty"])
def test_without_a_good_checkpoint_the_file_is_named_and_nothing_overwritten(tmp_path, unfinished, how):
    folder = unfinished
    for path in (folder / records.CHECKPOINTS).glob("step-*"):
        if how == "flipped":
            damage(path)
        else:
            path.write_bytes(path.read_bytes()[:100] if how == "truncated" else b"")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=r"step-000000008\.safetensors is damaged"):
        train_run(RUN, tmp_path)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", [records.CONFIG, records.EPOCHS, records.STEPS, records.CLASSES, records.STATUS])
def test_a_damaged_file_of_an_earlier_run_is_named_and_nothing_overwritten(tmp_path, unfinished, name):
    folder = unfinished
    (folder / name).write_bytes(b"PAR1 not any more")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match=name):
        train_run(RUN, tmp_path)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_a_newer_program_is_refused_by_name(tmp_path, monkeypatch):
    from seekcli.runs import checkpoint

    monkeypatch.setattr(checkpoint, "CHECKPOINT_FORMAT", 99)
    stopped_run(tmp_path, 3)
    monkeypatch.undo()
    with pytest.raises(BadInput, match="newer seek"):
        train_run(RUN, tmp_path)


def test_a_non_finite_loss_stops_the_run_names_the_step_and_keeps_the_checkpoint(tmp_path):
    resolved = tiny(optimizer__lr=1e30)
    with pytest.raises(RunFailed, match=r"non-finite (loss|gradient) at step \d+"):
        train_run(resolved, tmp_path)
    folder = RunFolder.of(tmp_path, resolved.config).path
    status = records.read_status(folder)
    assert status.state == "failed"
    assert "step" in status.message
    assert not (folder / "base.safetensors").exists()


def test_a_disk_that_fills_up_fails_the_run_and_loses_nothing(tmp_path, monkeypatch, whole):
    write = files.write_bytes

    def full(path, *rest):
        if path.name.startswith("step-000000006"):
            raise RunFailed(f"cannot write {path}: No space left on device")
        write(path, *rest)

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(RunFailed, match="No space left"):
        train_run(RUN, tmp_path)
    monkeypatch.undo()
    train_run(RUN, tmp_path)
    assert content(RunFolder.of(tmp_path, RUN.config).path) == whole


def test_the_config_on_disk_holds_every_resolved_setting_and_its_origin(tmp_path):
    resolved = tiny(train__epochs=1)
    train_run(resolved, tmp_path)
    stored = json.loads((RunFolder.of(tmp_path, resolved.config).path / records.CONFIG).read_text())
    assert stored["config"] == resolved.config.model_dump(mode="json")
    assert stored["origins"]["optimizer.lr"] == "test"
    assert stored["facts"]["train_images"] == 24
