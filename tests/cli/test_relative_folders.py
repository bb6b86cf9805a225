"""A folder that was named by a relative path is found again from anywhere."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from photo_tree import photo_tree

from seekcli.config.identity import run_id
from seekcli.report.repeat import command_of
from seekcli.resolve.resolve import resolve

TINY = ("--model", "resnet8-to-14", "--recipe", "digits", "--schedule", "base", "--epochs", 1, "--batch-size", 8)


@pytest.mark.parametrize("named", ["folder:photos", "folder:./photos", "folder:../here/photos", "imagenet:photos"])
def test_the_command_that_repeats_a_run_holds_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    photo_tree(tmp_path / "here" / "photos", 3, 2)
    monkeypatch.chdir(tmp_path / "here")
    size = {"data.image_size": 8, "train.batch_size": 4, "recipe": "digits", "pair.base": "resnet8"}
    resolved = resolve([("--data", {"data.name": named}), ("--set", size)])
    assert resolved.config.data.dir == str(tmp_path / "here" / "photos")
    words = shlex.split(command_of(resolved, Path("results")))
    monkeypatch.chdir(tmp_path)
    again = seek(*words[1:], "--dry-run")
    assert again.exit_code == 0, again.output
    assert run_id(resolved.config) in again.stdout


def test_a_run_is_evaluated_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo_tree(tmp_path / "here" / "photos", 3, 2)
    monkeypatch.chdir(tmp_path / "here")
    words = ("--data", "folder:photos", "--image-size", 8, "--out", tmp_path / "results", "--progress", "plain")
    assert seek("train", *TINY, *words).exit_code == 0
    (run,) = (tmp_path / "results" / "runs").glob("resnet8*")
    monkeypatch.chdir("/")
    assert ": equal)" in seek("evaluate", run).stdout
    (tmp_path / "here").rename(tmp_path / "there")
    assert f"--data folder:{tmp_path / 'here' / 'photos'}" in error_of(seek("evaluate", run))
    assert ": equal)" in seek("evaluate", run, "--data-dir", tmp_path / "there" / "photos").stdout
