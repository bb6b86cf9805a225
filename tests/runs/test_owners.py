"""Files of another run in a run's folder: named or set aside, and never taken for its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from documents import rewrite
from resumed_runs import StopAfter
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import tiny
from typer.testing import CliRunner

from seekcli.analysis.runs import load_runs
from seekcli.cli.app import app
from seekcli.documents import read_document
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, DamagedRun, SeekError, Stopped
from seekcli.export.finished_run import open_run
from seekcli.runs import records
from seekcli.runs.checkpoint import checkpoint_sha256, checkpoints
from seekcli.runs.folder import RunFolder
from seekcli.runs.named_runs import find_run, named_runs
from seekcli.runs.scan import scan_runs
from seekcli.train.progress import Progress

SHORT: dict[str, Any] = {"train__epochs": 2, "data__name": "synthetic:1x8x8:2:10"}
OWN, OTHER = tiny(**SHORT), tiny(seed=1, **SHORT)
TABLES = ("epochs.parquet", "steps.parquet", "classes.parquet")


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two finished runs that differ in their seed."""
    results = tmp_path_factory.mktemp("finished")
    train_run(OWN, results)
    train_run(OTHER, results)
    return results


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the run, stopped after its third step."""
    results, progress = tmp_path_factory.mktemp("stopped"), StopAfter(3)
    with pytest.raises(Stopped):
        train_run(OWN, results, progress, stop_requested=progress.reason)
    return results


@pytest.fixture
def folders(finished: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run's folder, to be tampered with, and that of the other run."""
    results = shutil.copytree(finished, tmp_path / "r")
    return RunFolder.of(results, OWN.config).path, RunFolder.of(results, OTHER.config).path


def again(folder: Path, notes: Notes | None = None) -> Any:
    return train_run(OWN, folder.parents[1], notes)


@pytest.mark.parametrize("name", [*TABLES, "status.json", "config.json"])
def test_a_foreign_file_of_a_finished_run_is_named_with_the_words_that_help(
    folders: tuple[Path, Path], name: str
) -> None:
    folder, other = folders
    shutil.copy(other / name, folder / name)
    with pytest.raises(DamagedRun) as caught:
        again(folder)
    assert str(folder / name) in str(caught.value)
    assert other.name in str(caught.value)
    assert "--fresh" in str(caught.value)


@pytest.mark.parametrize("name", TABLES)
def test_a_foreign_table_is_not_taken_up(folders: tuple[Path, Path], name: str) -> None:
    folder, other = folders
    (folder / "status.json").unlink()
    shutil.copy(other / name, folder / name)
    with pytest.raises(DamagedRun, match=rf"{name} belongs to another run, {other.name}; use --fresh"):
        again(folder)


@pytest.mark.parametrize("how", ["gone", "cut", "of the first epoch"])
def test_a_table_of_classes_that_nothing_writes_again_is_looked_at(folders: tuple[Path, Path], how: str) -> None:
    """All epochs are done and the models are not written yet."""
    folder, _ = folders
    (folder / "status.json").unlink()
    table = folder / "classes.parquet"
    if how == "gone":
        table.unlink()
    elif how == "cut":
        table.write_bytes(table.read_bytes()[:-100])
    else:
        records.write_classes(table, [row | {"epoch": 1} for row in records.read_classes(table)])
    with pytest.raises(DamagedRun, match=r"classes\.parquet .*(does not exist|is damaged|is not that).*use --fresh"):
        again(folder)


def test_a_foreign_checkpoint_is_set_aside_for_an_older_one_of_the_run(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = folders
    monkeypatch.setattr(
        "seekcli.runs.writer.RunWriter.keep_last_checkpoint", lambda _: None
    )  # as one that was killed before its end
    train_run(OWN, tmp_path / "killed")
    folder = RunFolder.of(tmp_path / "killed", OWN.config).path
    assert len(checkpoints(folder / "checkpoint")) == 2
    model = (folder / "base.safetensors").read_bytes()
    (folder / "status.json").unlink()
    newest = checkpoints(folder / "checkpoint")[-1]
    shutil.copy(checkpoints(other / "checkpoint")[-1], newest)
    notes = Notes()
    assert again(folder, notes).state == "finished"
    assert any(f"{newest.name} is of another run and was set aside" in note for note in notes.notes), notes.notes
    assert (folder / "base.safetensors").read_bytes() == model


def test_a_run_that_is_asked_for_by_its_id_is_that_run(folders: tuple[Path, Path]) -> None:
    folder, other = folders
    results = folder.parents[1]
    assert find_run(folder.name, results) == folder
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    for text in (folder.name, folder.name.rpartition("_")[2]):
        with pytest.raises(BadInput, match=rf"{folder.name} holds another run, {other.name}; .* name it by this path"):
            find_run(text, results)
    with pytest.raises(BadInput, match="holds another run"):
        named_runs("train.match_from", folder.name, results, lambda found, word: list(found))
    assert find_run(str(folder), results) == folder


@pytest.mark.parametrize("config", ["gone", "damaged"])
def test_a_list_shows_no_numbers_of_another_run_under_this_name(folders: tuple[Path, Path], config: str) -> None:
    folder, other = folders
    shutil.copy(other / "status.json", folder / "status.json")
    (folder / "config.json").unlink() if config == "gone" else (folder / "config.json").write_text("{")
    (found,) = scan_runs([folder])
    assert (found.run_id, found.status) == (folder.name, None)
    assert f"belongs to another run, {other.name}" in str(found.problem)


@pytest.mark.parametrize("what", ["missing", "damaged", "foreign"])
def test_a_run_that_goes_on_writes_down_anew_what_it_runs_on(
    folders: tuple[Path, Path], stopped: Path, tmp_path: Path, what: str
) -> None:
    _, other = folders
    shutil.copytree(stopped, tmp_path / "stopped")
    path = RunFolder.of(tmp_path / "stopped", OWN.config).path / "environment.json"
    path.unlink() if what == "missing" else path.write_bytes(
        b"{" if what == "damaged" else (other / "environment.json").read_bytes()
    )
    train_run(OWN, tmp_path / "stopped")
    written = read_document(path)
    assert (written["run_id"], written["from_step"]) == (path.parent.name, 3)


@pytest.mark.parametrize("name", [*TABLES, "status.json", "config.json", "lease.json", "base.safetensors"])
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(folders: tuple[Path, Path], name: str) -> None:
    folder, _ = folders
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    alarm = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"waits for ever on {name}"))
    signal.alarm(20)
    try:
        scan_runs([folder.parents[1]])
        with suppress(SeekError):
            again(folder)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)


def test_a_run_with_only_foreign_checkpoints_is_refused(folders: tuple[Path, Path]) -> None:
    folder, other = folders
    (folder / "status.json").unlink()
    shutil.rmtree(folder / "checkpoint")
    shutil.copytree(other / "checkpoint", folder / "checkpoint")
    with pytest.raises(DamagedRun, match=rf"belongs to another run, {other.name}; .*--fresh"):
        again(folder)


def test_a_checkpoint_of_an_earlier_version_says_not_whose_it_is_and_is_taken_up(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    (folder / "status.json").unlink()
    for path in checkpoints(folder / "checkpoint"):
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
        tensors, plain = load_file(path), {key: value for key, value in state["plain"].items() if key != "run_id"}
        state |= {"plain": plain, "sha256": checkpoint_sha256(tensors, plain)}
        save_file(tensors, path, {"state": json.dumps(state)})
    notes = Notes()
    assert again(folder, notes).state == "finished"
    assert not any("set aside" in note for note in notes.notes)


def test_a_foreign_environment_is_noted_on_resume_and_refused_by_export(folders: tuple[Path, Path]) -> None:
    folder, other = folders
    shutil.copy(other / "environment.json", folder / "environment.json")
    with pytest.raises(BadInput, match=rf"environment\.json belongs to another run, {other.name}"):
        open_run(folder)
    (folder / "status.json").unlink()
    notes = Notes()
    again(folder, notes)
    assert any("environment.json is missing or damaged, or of another run" in note for note in notes.notes)


@pytest.mark.parametrize("name", ["status.json", "config.json", "epochs.parquet"])
def test_compare_and_export_leave_out_what_is_put_together_from_two_runs(folders: tuple[Path, Path], name: str) -> None:
    folder, other = folders
    shutil.copy(other / name, folder / name)
    runs, (left_out,) = load_runs(scan_runs([folder.parent]))
    assert [run.run_id for run in runs] == [other.name]
    assert other.name in left_out.reason
    assert name in left_out.reason
    with pytest.raises(BadInput, match="belongs to another run|is damaged|is of another run|" + other.name):
        open_run(folder)


def test_list_names_a_foreign_status_and_takes_a_renamed_folder_for_what_it_is(folders: tuple[Path, Path]) -> None:
    folder, other = folders
    renamed = other.rename(other.with_name("kept"))
    shutil.copy(renamed / "status.json", folder / "status.json")
    listed = CliRunner().invoke(app, ["list", "runs", "--format", "json", "--out", str(folder.parents[1])])
    rows = {row["run"]: row for row in json.loads(listed.stdout)}
    assert rows[other.name]["state"] == "finished"
    assert rows[folder.name]["state"] == "unreadable"
    assert f"status.json belongs to another run, {other.name}" in rows[folder.name]["message"]


def test_a_foreign_model_file_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    folder, other = folders
    shutil.copy(other / "base.safetensors", folder / "base.safetensors")
    refused = CliRunner().invoke(app, ["export", str(folder), "--to", str(tmp_path / "e")])
    assert refused.exit_code == 2
    assert "base.safetensors is damaged, or is not the file that was recorded" in refused.output


def test_final_numbers_that_the_table_does_not_hold_are_a_damaged_run(folders: tuple[Path, Path]) -> None:
    """Also where the status is one of an earlier version, which knows no digest of the table."""
    folder, _ = folders
    status = json.loads((folder / "status.json").read_text())
    del status["sha256"], status["tables_sha256"]
    (folder / "status.json").write_text(json.dumps(status))
    (run,), _ = load_runs(scan_runs([folder]))
    status["final"][0]["test_accuracy_percent"] = 12.5
    (folder / "status.json").write_text(json.dumps(status))
    runs, (left_out,) = load_runs(scan_runs([folder]))
    assert runs == []
    assert "epochs.parquet and status.json differ in their final numbers" in left_out.reason
    status["final"][0] = dict(run.rows["base"])
    status["totals"]["switches"] += 1
    (folder / "status.json").write_text(json.dumps(status))
    assert load_runs(scan_runs([folder]))[0] == []


def test_a_table_that_is_not_the_recorded_one_is_named(folders: tuple[Path, Path]) -> None:
    folder, _ = folders
    tables = json.loads((folder / "status.json").read_text())["tables_sha256"]
    assert sorted(tables) == sorted(TABLES)
    rewrite(folder / "status.json", tables_sha256=tables | {"epochs.parquet": "0" * 64})
    _, (left_out,) = load_runs(scan_runs([folder]))
    assert "epochs.parquet is damaged, or is not the file that was recorded" in left_out.reason
