"""One run on disk: RunFolder gives all of it and names what is wrong; RunWriter writes nothing without its lease."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from documents import rewrite
from finished_runs import make_run, resolved_config, trained_model
from tiny import tiny

from seekcli.config.identity import run_id
from seekcli.data.sets.sources import load
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, DamagedRun, LostLease, MissingSource
from seekcli.runs.checkpoint import save_checkpoint
from seekcli.runs.folder import RunFolder
from seekcli.runs.scan import recorded_runs
from seekcli.runs.step_log import StepLog
from seekcli.runs.writer import RunWriter, config_document


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one small run in it."""
    results = tmp_path_factory.mktemp("results")
    train_run(tiny(train__epochs=1), results)
    return results


def test_a_folder_gives_all_that_a_run_has(trained: Path) -> None:
    config = tiny(train__epochs=1).config
    folder = RunFolder.open(RunFolder.of(trained, config).path)
    assert folder.config().train.epochs == 1
    assert run_id(folder.config()) == folder.path.name == folder.status().run_id
    assert folder.facts()["train_images"] == 24
    assert {row["role"] for row in folder.epochs()} == {"base", "motivated"}
    assert folder.steps()["step"] == list(range(1, 7))
    assert {row["class_index"] for row in folder.classes()} == {0, 1, 2}
    environment = folder.environment()
    assert environment is not None
    assert environment["torch"] == torch.__version__
    status = folder.status()
    assert "conv1.weight" in folder.weights("base", status.weights_sha256["base"])
    (newest,) = folder.checkpoints()
    tensors, plain = folder.checkpoint(newest)
    assert plain["epoch"] == 1
    assert "base/conv1.weight" in tensors
    assert folder.standing() == "finished"
    assert folder.standing_or_damage() == ("finished", None)
    assert folder.unverifiable_note() is None
    assert not folder.is_being_written
    assert [one.path for one in recorded_runs(trained)] == [folder.path]


def test_what_is_not_a_run_is_told_as_what_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(MissingSource, match="nowhere does not exist"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"status\.json is a file: name the run folder"):
        RunFolder.open(run / "status.json")
    with pytest.raises(BadInput, match=r"is not a run folder .* name one of the runs under .*runs"):
        RunFolder.open(tmp_path)
    assert RunFolder.open(run).holds_run


def test_a_run_that_is_not_there_is_new_and_has_nothing(tmp_path: Path) -> None:
    folder = RunFolder.of(tmp_path, tiny().config)
    assert folder.standing() == "new"
    assert folder.finished_status() is None
    assert folder.environment() is None
    assert folder.readable_config() is None
    assert folder.facts() == {}
    assert folder.checkpoints() == []
    assert recorded_runs(tmp_path) == []
    for read in (folder.config, folder.status, folder.epochs, folder.steps, folder.classes):
        with pytest.raises(BadInput, match=str(folder.path)):
            read()


def test_what_belongs_to_another_run_is_refused_file_by_file(trained: Path) -> None:
    (own,) = recorded_runs(trained)
    folder = RunFolder(own.path, "another-run_0_abc")
    for read in (folder.status, folder.epochs, folder.steps, folder.classes, folder.environment):
        with pytest.raises(BadInput, match=f"{own.path.name}|another run"):
            read()
    with pytest.raises(BadInput, match="belongs to another run"):
        folder.checkpoint(own.checkpoints()[0])


def test_a_folder_stands_for_the_config_it_was_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, state="stopped")
    assert RunFolder(run).standing() == "unfinished"
    other = RunFolder(run, None, resolved_config(seed=7).config)
    with pytest.raises(DamagedRun, match="is not the config of this run but of"):
        other.standing()
    state, problem = other.standing_or_damage()
    assert state == "damaged"
    assert problem is not None
    assert "is not the config of this run" in problem
    (run / "config.json").unlink()
    (run / "epochs.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedRun, match=r"config\.json is missing from a run that has begun"):
        RunFolder(run).standing()


@pytest.mark.parametrize(("state", "standing"), [("failed", "failed"), ("running", "unfinished")])
def test_how_a_run_stands_that_is_not_finished(tmp_path: Path, state: str, standing: str) -> None:
    assert RunFolder(make_run(tmp_path, state=state)).standing() == standing


def test_model_files_are_read_where_whole_is_asked_for(trained: Path, tmp_path: Path) -> None:
    config = tiny(train__epochs=1, seed=3).config
    train_run(tiny(train__epochs=1, seed=3), tmp_path)
    folder = RunFolder.of(tmp_path, config)
    path = folder.weights_path("motivated")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert folder.standing(whole=False) == "finished"
    with pytest.raises(DamagedRun, match=r"motivated\.safetensors is damaged"):
        folder.standing()
    with pytest.raises(BadInput, match="its sha256 differs"):
        folder.weights("motivated", folder.status().weights_sha256["motivated"])


def test_an_environment_that_is_no_mapping_is_damaged(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "environment.json").write_text("[]")
    with pytest.raises(BadInput, match=r"environment\.json is damaged"):
        RunFolder(run).environment()


def test_a_newer_file_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rewrite(run / "status.json", schema_version=99)
    with pytest.raises(BadInput, match=r"status\.json was written by a newer seek"):
        RunFolder(run).status()


def test_a_writer_whose_lease_is_lost_writes_nothing(trained: Path, tmp_path: Path) -> None:
    def lost() -> None:
        raise LostLease("taken over")

    (own,) = recorded_runs(trained)
    resolved = tiny(train__epochs=1)
    folder = RunFolder.of(tmp_path, resolved.config)
    save_checkpoint(folder.checkpoints_path, 1, {}, {}, own.path.name)
    save_checkpoint(folder.checkpoints_path, 2, {}, {}, own.path.name)
    before = content_of(tmp_path)
    writer = RunWriter(folder, lost)
    writes = [
        lambda: writer.create(config_document(resolved, load(resolved.config.data)), {}),
        lambda: writer.write_environment({}),
        lambda: writer.write_epochs(own.epochs()),
        lambda: writer.write_steps(StepLog()),
        lambda: writer.write_classes(own.classes()),
        lambda: writer.save_checkpoint(3, {}, {}),
        writer.keep_last_checkpoint,
        lambda: writer.write_model("base", trained_model("resnet8", 0).state_dict()),
        lambda: writer.write_status(own.status()),
    ]
    for write in writes:
        with pytest.raises(LostLease):
            write()
    assert content_of(tmp_path) == before


def test_what_a_writer_writes_its_folder_reads(trained: Path, tmp_path: Path) -> None:
    (own,) = recorded_runs(trained)
    resolved = tiny(train__epochs=1)
    folder = RunFolder.of(tmp_path, resolved.config)
    writer = RunWriter(folder, lambda: None)
    writer.create(config_document(resolved, load(resolved.config.data)), {"torch": "2", "threads": 1})
    assert folder.config() == resolved.config
    assert folder.facts() == own.facts()
    assert folder.environment() == {"run_id": folder.owner, "from_step": 0, "torch": "2", "threads": 1}
    writer.write_epochs(own.epochs())
    writer.write_classes(own.classes())
    writer.write_status(own.status())
    assert (folder.epochs(), folder.classes(), folder.status()) == (own.epochs(), own.classes(), own.status())
    assert writer.write_model("base", own.weights("base")) == own.status().weights_sha256["base"]
    assert writer.digests_of_tables().keys() == {"epochs.parquet", "classes.parquet"}
