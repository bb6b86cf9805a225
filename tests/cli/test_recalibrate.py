"""`--recalibrate` of `seek evaluate` and `seek export`: it gives old models what a run of today writes at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from finished_runs import make_run
from old_runs import COMMON, OLD_WORDS, unpack
from safetensors.torch import load_file
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.export.load import load_model

OLD = "resnet8-to-14_digits_loss-k1_paper_s0_b6d9a7b9cd"


def seek(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of an earlier program; one of them trained again here, as it was then and as it is today."""
    folder = unpack(tmp_path_factory.mktemp("old"))
    words = ["--k", "1", "--init", "paper", "--set", "runtime.threads=1", "--progress", "json"]
    seek("train", *COMMON, *words, "--out", folder.parent / "new")
    seek("train", *COMMON, *words, *OLD_WORDS, "--out", folder.parent / "again")
    return folder


@pytest.mark.slow
def test_an_old_run_is_evaluated_and_exported_as_the_new_one_was_written(results: Path) -> None:
    (new,) = (results.parent / "new" / "runs").iterdir()
    rows = {row["role"]: row for row in json.loads((new / "status.json").read_text())["final"]}
    old = results.parent / "again" / "runs" / OLD
    found = json.loads(seek("evaluate", old, "--recalibrate", "--format", "json"))
    told = seek("export", old, "--recalibrate", "--data", "digits", "--to", results.parent / "to")
    assert "at export: BatchNorm statistics re-estimated on 10 training batches (160 images) of digits" in told
    for one in found:
        row, model = rows[one["role"]], f"{one['model']}-{one['role']}"
        assert one["test_accuracy_percent"] == pytest.approx(row["test_accuracy_percent"], abs=0.3)
        assert one["recalibration"].startswith("BatchNorm statistics re-estimated on 10 training batches")
        _, card = load_model(results.parent / "to" / model)
        assert card.result.test_accuracy_percent == one["test_accuracy_percent"]
        assert card.statistics is not None
        assert card.statistics.test_accuracy_as_trained_percent == one["recorded_test_accuracy_percent"]
        mended, written = load_file(results.parent / "to" / f"{model}.safetensors"), load_file(
            new / f"{one['role']}.safetensors")  # fmt: skip
        for name in (name for name in written if "running_" in name):
            assert mended[name] == pytest.approx(written[name], rel=1e-3, abs=1e-3), name


def test_a_run_whose_length_is_in_steps_gets_the_batches_of_its_last_epoch(tmp_path: Path) -> None:
    """So that what was re-estimated at its end comes out again, to the last bit."""
    words = [*COMMON[:-2], "--k", "1", "--steps", "14", "--set", "pair.recalibrate_batches=3"]
    seek("train", *words, "--set", "runtime.threads=1", "--progress", "json", "--out", tmp_path / "r")
    (run,) = (tmp_path / "r" / "runs").iterdir()
    seek("export", run, "--recalibrate", "--data", "digits", "--to", tmp_path / "to")
    for role, name in (("base", "resnet8-base"), ("motivated", "resnet14-motivated")):
        again, written = load_file(tmp_path / "to" / f"{name}.safetensors"), load_file(run / f"{role}.safetensors")
        assert all(again[key].equal(written[key]) for key in written), role
    training = load_model(tmp_path / "to" / "resnet8-base")[1].training
    assert (training.epochs, training.steps) == (2, 14)


@pytest.mark.slow
def test_the_card_of_a_run_says_what_its_statistics_are(results: Path) -> None:
    (new,) = (results.parent / "new" / "runs").iterdir()
    seek("export", new, "--to", results.parent / "new-export")
    statistics = load_model(results.parent / "new-export" / "resnet14-motivated")[1].statistics
    assert statistics is not None
    assert (statistics.buffers, statistics.recalibrated_batches) == ("own", 10)
    seek("export", results / "runs" / OLD, "--to", results.parent / "old-export")
    statistics = load_model(results.parent / "old-export" / "resnet14-motivated")[1].statistics
    assert statistics is not None
    assert (statistics.buffers, statistics.recalibrated_batches) == ("carried", 0)


@pytest.mark.slow
def test_an_old_export_alone_is_mended_by_what_its_card_and_recipe_tell(results: Path) -> None:
    export = results.parent / "exports" / "base" / "resnet8-base"
    said = seek("evaluate", export, "--recalibrate", "--data", "digits")
    assert "(160 images) of digits, augmented as recipe digits says, not mixed" in said


def test_data_is_refused_where_it_would_not_be_read(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(make_run(tmp_path)), "--data", "digits"])
    assert done.exit_code == 2
    assert "--data: it is read with --recalibrate, --format onnx and --format pt2 alone" in done.output
