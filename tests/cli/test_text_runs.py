"""Language models with what else a run can be told: a schedule that holds, a source of another vocabulary."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from resumed_runs import StopAfter
from tiny_text import TEXT, tiny_text

from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.runs import records
from seekcli.runs.folder import RunFolder

WORDS = ("--model", "gpt-2x64-to-4x64", "--set", "data.context_length=8", "--epochs", "1", "--batch-size", "4")


def test_a_run_that_was_stopped_and_resumed_is_the_same_run(tmp_path: Path) -> None:
    resolved = tiny_text(tmp_path, train__epochs=2)
    train_run(resolved, tmp_path / "whole")
    for steps in (2, 5):
        progress = StopAfter(steps)
        with pytest.raises(Stopped):
            train_run(resolved, tmp_path / "resumed", progress, stop_requested=progress.reason)
    train_run(resolved, tmp_path / "resumed")
    whole, resumed = (RunFolder.of(tmp_path / name, resolved.config).path for name in ("whole", "resumed"))
    for name in ("base.safetensors", "motivated.safetensors"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    rows = [records.read_epochs(folder / records.EPOCHS) for folder in (whole, resumed)]
    kept = [[{k: v for k, v in row.items() if k not in records.MEASURED_COLUMNS} for row in table] for table in rows]
    assert kept[0] == kept[1]
    assert records.read_steps(whole / records.STEPS) == records.read_steps(resumed / records.STEPS)


def test_a_learning_rate_that_holds_and_then_falls(tmp_path: Path) -> None:
    resolved = tiny_text(tmp_path, train__epochs=4, lr_schedule__name="wsd", lr_schedule__warmup_epochs=0.0)
    train_run(resolved, tmp_path / "results")
    path = RunFolder.of(tmp_path / "results", resolved.config).path / records.EPOCHS
    rates = [row["learning_rate"] for row in records.read_epochs(path) if row["role"] == "base"]
    assert rates[0] == rates[1] == resolved.config.optimizer.lr
    assert rates[-1] < rates[0] / 2


@pytest.mark.parametrize(("replaced", "by"), [("cat", "cow"), ("\u00e9", "\u00e8")])
def test_weights_of_another_vocabulary_are_refused(tmp_path: Path, replaced: str, by: str) -> None:
    """Also where it is as large: the rows of the embedding would mean other characters."""
    resolved = tiny_text(tmp_path, schedule="base")
    train_run(resolved, tmp_path / "results")
    run = RunFolder.of(tmp_path / "results", resolved.config).path
    other = tmp_path / "other.txt"
    other.write_text(TEXT.replace(replaced, by), encoding="utf-8")
    result = seek("train", *WORDS, "--data", f"text:{other}", "--init-from", run, "--out", tmp_path / "out")
    assert "its vocabulary has" in error_of(result)
    assert "--init-from" in error_of(result)
    assert not (tmp_path / "out").exists()


def test_a_language_model_reads_the_text_of_python_where_no_data_is_named() -> None:
    result = seek("train", "--model", "gpt-2x64-to-4x64", "--print-config")
    assert result.exit_code == 0, result.output
    assert 'name = "text:pydoc"' in result.stdout
    assert "auto, for a language model" in result.stdout


def test_a_language_model_refuses_images_that_are_named() -> None:
    result = seek("train", "--model", "gpt-2x64-to-4x64", "--data", "digits", "--print-config")
    assert result.exit_code == 2
    assert "--data digits is images" in error_of(result)
