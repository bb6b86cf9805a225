"""`seek export` of a run that is not finished: what a finished run would keep at that moment, and labelled so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from resumed_runs import StopAfter
from tiny import tiny

from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.export.load import load_model
from seekcli.resolve.transfer import source_models_of
from seekcli.runs import records
from seekcli.runs.folder import RunFolder


def stopped(results: Path, steps: int, **settings: Any) -> Path:
    """A tiny run, 3 epochs of 6 steps, stopped after so many."""
    resolved = tiny(**settings)
    progress = StopAfter(steps)
    with pytest.raises(Stopped):
        train_run(resolved, results, progress, stop_requested=progress.reason)
    return RunFolder.of(results, resolved.config).path


@pytest.mark.parametrize(
    "settings",
    [
        {"pair__recalibrate_batches": 2},
        pytest.param({"pair__recalibrate_batches": 2, "train__ema_decay": 0.9}, marks=pytest.mark.slow),
        {"schedule": "base"},
    ],
)
def test_at_the_last_step_they_are_the_models_of_the_finished_run(tmp_path: Path, settings: dict[str, Any]) -> None:
    resolved = tiny(train__epochs=1, **settings)
    status = train_run(resolved, tmp_path)
    run = RunFolder.of(tmp_path, resolved.config).path
    records.write_status(run, status.model_copy(update={"state": "running", "tables_sha256": {}, "weights_sha256": {}}))
    before = {path: path.read_bytes() for path in run.rglob("*.*") if path.is_file()}
    result = seek("export", run, "--to", tmp_path / "exports")
    assert result.exit_code == 0, (result.output, result.exception)
    for row in status.final:
        model, card = load_model(tmp_path / "exports" / f"{row['model']}-{row['role']}")
        kept = load_file(run / f"{row['role']}.safetensors")
        assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())
        assert card.result.test_accuracy_percent == row["test_accuracy_percent"]
        assert card.statistics is not None
        if resolved.config.classic:
            assert card.statistics.recalibrated is None
        else:
            assert card.statistics.test_accuracy_as_trained_percent == row["test_accuracy_as_trained_percent"]
    assert {path: path.read_bytes() for path in run.rglob("*.*") if path.is_file()} == before


def test_within_an_epoch_they_are_labelled_by_their_step(tmp_path: Path) -> None:
    run = stopped(tmp_path / "results", 8, pair__recalibrate_batches=2)
    result = seek("export", run, "--to", tmp_path / "exports")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "not finished (stopped)" in result.stderr
    assert "after 8 of 18 steps" in result.stderr
    assert "UNFINISHED, after step 8 (1 of 3 epochs done)" in result.stdout
    assert "BatchNorm statistics re-estimated at export" in result.stdout
    _, card = load_model(tmp_path / "exports" / "resnet8-base")
    assert card.training.unfinished is not None
    assert card.training.unfinished.model_dump() == {"epochs_done": 1, "steps_done": 8}
    assert (card.training.epochs, card.training.steps, card.result.epoch) == (3, 18, 1)
    answer = seek("evaluate", tmp_path / "exports" / "resnet8-base", "--format", "json")
    (found,) = json.loads(answer.stdout)
    assert found["equals_recorded"] is True
    assert found["unfinished"] == {"epochs_done": 1, "steps_done": 8}
    assert "after step 8 of an unfinished run: equal" in seek("evaluate", tmp_path / "exports" / "resnet8-base").stdout
    (source,) = source_models_of(str(tmp_path / "exports" / "resnet8-base"), tmp_path)
    assert source.run_id == f"{run.name}@step-8"


def test_the_default_folder_says_which_step_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(tmp_path / "results", 3)
    monkeypatch.chdir(tmp_path)
    assert seek("export", run, "--role", "base").exit_code == 0
    assert (tmp_path / "exports" / f"{run.name}_step-3" / "resnet8-base.json").exists()


def test_a_damaged_checkpoint_is_left_in_its_place_for_the_one_before(tmp_path: Path) -> None:
    run = stopped(tmp_path / "results", 8)
    newest = max((run / "checkpoint").iterdir())
    newest.write_bytes(newest.read_bytes()[:-8] + b"damaged!")
    result = seek("export", run, "--to", tmp_path / "exports")
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"{newest} is damaged" in result.stderr
    assert "UNFINISHED, after step 6" in result.stdout
    assert newest.exists()
    other = min((run / "checkpoint").iterdir())
    other.write_bytes(b"nothing")
    assert f"{newest} is damaged" in error_of(seek("export", run, "--to", tmp_path / "exports"))


def test_what_cannot_be_is_told_before_the_data_is_read(tmp_path: Path) -> None:
    run = stopped(tmp_path / "results", 1)
    assert "its own" in error_of(seek("export", run, "--data", "digits"))
    assert "finished runs" in error_of(seek("export", run, "--recalibrate"))
    (tmp_path / "file").write_text("")
    assert "is not a folder" in error_of(seek("export", run, "--to", tmp_path / "file"))
    for path in (run / "checkpoint").iterdir():
        path.unlink()
    words = error_of(seek("export", run, "--to", tmp_path / "exports"))
    assert "has no checkpoint yet: the same `seek train` command goes on with it" in words
    assert not (tmp_path / "exports").exists()
    assert "`seek export` writes those of its last checkpoint" in error_of(seek("evaluate", run))
