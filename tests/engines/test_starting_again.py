"""Runs that end before their first checkpoint start again by the same command; removed checkpoints are noticed."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
from contextlib import contextmanager

import pytest
from run_content import Notes, content
from tiny import tiny

from seekcli import files
from seekcli.documents import read_document
from seekcli.engines.run import RecordedTraining, train_run
from seekcli.errors import BadInput, DamagedRun, RunFailed, Stopped
from seekcli.runs import records
from seekcli.runs.folder import RunFolder

SHORT = tiny(train__epochs=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results of an uninterrupted run, to be copied."""
    results = tmp_path_factory.mktemp("whole")
    train_run(SHORT, results)
    return results


@pytest.fixture(scope="module")
def whole(finished):
    return content(RunFolder.of(finished, SHORT.config).path)


@contextmanager
def file_size_limit(limit_bytes):
    """As `ulimit -f`: a larger file cannot be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def as_written_by_an_older_program(folder):
    """Status files had no `steps_saved`."""
    records.write_status(folder, records.read_status(folder).model_copy(update={"steps_saved": None}))


def age(folder, minutes):
    """As if the run had taken that long before it failed."""
    stamp = (folder / records.STATUS).stat().st_mtime - 60 * minutes
    os.utime(folder / records.CONFIG, (stamp, stamp))


@pytest.mark.parametrize("older", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_first_save_that_fails_is_no_removed_checkpoint(tmp_path, whole, older):
    folder = RunFolder.of(tmp_path, SHORT.config).path
    with file_size_limit(200_000), pytest.raises(RunFailed, match=r"checkpoint.*File too large"):
        train_run(SHORT, tmp_path)
    status = records.read_status(folder)
    assert (status.state, status.steps_done, status.steps_saved) == ("failed", 6, 0)
    assert RunFolder.of(tmp_path, SHORT.config).standing() == "failed"
    if older:
        as_written_by_an_older_program(folder)
    train_run(SHORT, tmp_path)
    assert content(folder) == whole


@pytest.mark.parametrize(
    "name",
    [
        "epochs.parquet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("step-000000006.safetensors", "steps.parquet", "classes.parquet")
        ),
    ],
)
def test_any_file_of_the_first_epoch_that_cannot_be_written(tmp_path, monkeypatch, name, whole):
    write = files.write_with

    def full(path, *rest):
        if path.name == name:
            raise RunFailed(f"cannot write {path}: No space left on device")
        write(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_with", full)
        with pytest.raises(RunFailed, match="No space"):
            train_run(SHORT, tmp_path)
    folder = RunFolder.of(tmp_path, SHORT.config).path
    as_written_by_an_older_program(folder)
    train_run(SHORT, tmp_path)
    assert content(folder) == whole


@pytest.mark.parametrize("older", [False, True])
def test_a_non_finite_loss_fails_in_the_same_way_each_time(tmp_path, older):
    hot = tiny(optimizer__lr=1e30)
    for _ in range(2):
        with pytest.raises(RunFailed, match="non-finite"):
            train_run(hot, tmp_path)
        assert records.read_status(RunFolder.of(tmp_path, hot.config).path).steps_saved == 0
        if older:
            as_written_by_an_older_program(RunFolder.of(tmp_path, hot.config).path)


def test_removed_checkpoints_are_noticed_whatever_the_state(tmp_path):
    progress = Notes()
    with pytest.raises(Stopped):
        train_run(tiny(), tmp_path, progress, stop_requested=lambda: "test" if len(progress.steps) == 8 else None)
    folder = RunFolder.of(tmp_path, tiny().config).path
    shutil.rmtree(folder / records.CHECKPOINTS)
    for state, saved in itertools.product(("stopped", "running", "failed"), (8, None)):
        changed = {"state": state, "message": "no disk", "steps_saved": saved}
        records.write_status(folder, records.read_status(folder).model_copy(update=changed))
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(DamagedRun, match=r"holds no checkpoint, and 8 steps were saved; use --fresh"):
            train_run(tiny(), tmp_path)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_an_old_failed_run_that_may_have_had_a_checkpoint_is_refused(tmp_path):
    """An older program failed in its first epoch, and a checkpoint within it was due before."""
    hot = tiny(optimizer__lr=1e30, runtime__checkpoint_minutes=10.0)
    with pytest.raises(RunFailed, match="non-finite"):
        train_run(hot, tmp_path)
    folder = RunFolder.of(tmp_path, hot.config).path
    as_written_by_an_older_program(folder)
    age(folder, minutes=11)
    with pytest.raises(DamagedRun, match="holds no checkpoint"):
        train_run(hot, tmp_path)
    age(folder, minutes=9)
    with pytest.raises(RunFailed, match="non-finite"):
        train_run(hot, tmp_path)


def test_an_error_of_somebody_elses_code_is_recorded_too(tmp_path, monkeypatch):
    def broken(self):
        raise ZeroDivisionError("in a condition")

    with monkeypatch.context() as patch:
        patch.setattr(RecordedTraining, "after_step", broken)
        with pytest.raises(ZeroDivisionError):
            train_run(tiny(), tmp_path)
    status = records.read_status(RunFolder.of(tmp_path, tiny().config).path)
    assert (status.state, status.message) == ("failed", "ZeroDivisionError: in a condition")
    assert RunFolder.of(tmp_path, tiny().config).standing() == "failed"


def test_a_run_that_cannot_be_taken_up_keeps_its_status(tmp_path, monkeypatch):
    progress = Notes()
    with pytest.raises(Stopped):
        train_run(tiny(), tmp_path, progress, stop_requested=lambda: "test" if len(progress.steps) == 8 else None)
    folder = RunFolder.of(tmp_path, tiny().config).path
    before = records.read_status(folder)
    monkeypatch.setattr(records, "read_epochs", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_run(tiny(), tmp_path)
    assert records.read_status(folder) == before


def test_killed_before_its_environment_is_written_a_run_gets_one(tmp_path, whole):
    """An older program wrote the config first."""
    with pytest.raises(RunFailed):
        train_run(tiny(optimizer__lr=1e30), tmp_path)
    folder = RunFolder.of(tmp_path, tiny(optimizer__lr=1e30).config).path
    (folder / records.ENVIRONMENT).unlink()
    (folder / records.STATUS).unlink()
    with pytest.raises(RunFailed, match="non-finite"):
        train_run(tiny(optimizer__lr=1e30), tmp_path)
    assert "torch" in read_document(folder / records.ENVIRONMENT)


def refusals():
    def no_disk(patch, results):
        usage = shutil.disk_usage(results)
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

    def no_data(patch, results):
        def missing(config, decoding):
            raise BadInput("no data")

        patch.setattr("seekcli.data.sets.sources.load", missing)

    def no_source(patch, results):
        def missing(config, folder):
            raise BadInput("no weights")

        patch.setattr("seekcli.engines.start.start_weights", missing)

    def no_memory(patch, results):
        import torch

        def full(**parts):
            raise torch.OutOfMemoryError("full")

        patch.setattr("seekcli.resolve.build.Trainer", full)

    def no_shelf(patch, results):
        (results / "runs" / ".replaced").write_text("in the way")

    return [no_disk, no_data, no_source, no_memory, no_shelf]


@pytest.mark.parametrize("refuse", refusals(), ids=lambda refuse: refuse.__name__)
def test_fresh_moves_the_old_run_after_every_check(tmp_path, finished, refuse):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    folder = RunFolder.of(tmp_path, SHORT.config).path
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, tmp_path)
        with pytest.raises((BadInput, RunFailed)):
            train_run(SHORT, tmp_path, fresh=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    if refuse.__name__ != "no_shelf":
        return
    (tmp_path / "runs" / ".replaced").unlink()
    assert train_run(SHORT, tmp_path, fresh=True).state == "finished"
    (old,) = (tmp_path / "runs" / ".replaced").iterdir()
    assert {path.relative_to(old): path.read_bytes() for path in old.rglob("*") if path.is_file()} == {
        path.relative_to(folder): data for path, data in before.items()
    }
