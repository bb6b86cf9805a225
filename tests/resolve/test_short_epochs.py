"""Epochs of one step never train the motivated model: refused before anything is written, and few steps are said."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seekcli.cli.app import app

TINY = ["--model", "resnet8-to-14", "--epochs", "1", "--device", "cpu", "--progress", "plain"]


def seek(out: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["train", *TINY, "--out", str(out), *words])


@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_one_step_an_epoch_is_refused_with_a_batch_size_that_does(tmp_path: Path, extra: list[str]) -> None:
    done = seek(tmp_path / "results", "--limit-train", "32", "--batch-size", "128", *extra)
    assert done.exit_code == 2
    assert "--batch-size 128: 32 training images make one step an epoch" in done.output
    assert "resnet14 would never be trained; --batch-size 4 makes 8 steps an epoch, and --force" in done.output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_of_several_runs_none_is_begun_where_one_is_refused(tmp_path: Path, extra: list[str]) -> None:
    words = ["--limit-train", "32", "--batch-size", "128", "--schedule", "all", "--seeds", "2"]
    done = seek(tmp_path / "results", *words, *extra)
    assert done.exit_code == 2
    assert done.output.startswith("seek: error: --batch-size 128: 32 training images make one step an epoch")
    assert not (tmp_path / "results").exists()


def test_it_is_trained_when_it_is_forced_and_then_found_without(tmp_path: Path) -> None:
    words = ["--limit-train", "10", "--batch-size", "10"]
    assert seek(tmp_path, *words, "--force").exit_code == 0
    again = seek(tmp_path, *words)
    assert again.exit_code == 0
    assert "this run was finished before" in again.output


def test_classic_runs_and_runs_of_several_steps_are_not_asked(tmp_path: Path) -> None:
    one_step = ["--limit-train", "32", "--batch-size", "128", "--dry-run"]
    assert seek(tmp_path, *one_step, "--schedule", "base").exit_code == 0
    done = seek(tmp_path, "--limit-train", "32", "--batch-size", "8", "--dry-run")
    assert done.exit_code == 0
    assert "resnet14 is expected to get" in done.output
    assert "hardly any training of its own" in done.output


def test_enough_motivated_steps_need_no_note(tmp_path: Path) -> None:
    done = seek(tmp_path, "--epochs", "20", "--limit-train", "200", "--batch-size", "8", "--dry-run")
    assert done.exit_code == 0
    assert "hardly" not in done.output


def test_no_larger_batch_is_proposed_where_epochs_have_steps_enough(tmp_path: Path) -> None:
    done = seek(tmp_path, "--batch-size", "64", "--dry-run")
    assert "of 23 steps: hardly any training of its own; a smaller --batch-size, or more --epochs" in done.output
    few = seek(tmp_path, "--limit-train", "32", "--batch-size", "8", "--dry-run")
    assert "--batch-size 4 makes 8 steps an epoch, or more --epochs" in few.output
