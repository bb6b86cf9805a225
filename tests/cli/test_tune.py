"""`seek tune` and `--k auto` as a user meets them."""

from __future__ import annotations

import json

import pytest
from photo_tree import CLASSES, photo_tree
from typer.testing import CliRunner

from seekcli.cli.app import app

PAIR = ["--base", "resnet8", "--motivated", "resnet14", "--data", "synthetic:1x8x8:3:60", "--epochs", "1"]
PAIR += ["--batch-size", "16", "--lr", "0.02", "--device", "cpu", "--set", "pair.recalibrate_batches=0"]
SEARCH = ["--k", "1,2", "--folds", "2"]
AUTO = ["--k", "auto", "--set", "tune.k=1,2", "--set", "tune.folds=2"]


def seek(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder in which k is chosen."""
    folder = tmp_path_factory.mktemp("tuned") / "r"
    result = seek("tune", *PAIR, *SEARCH, "--out", folder)
    assert result.exit_code == 0, result.output
    assert "[4/4]" in result.stderr
    lines = result.stdout.splitlines()
    assert any(line.startswith("k  validation accuracy") for line in lines)
    assert sum(line.endswith("chosen") for line in lines) == 1
    assert str(folder / "tuning") in lines[-1]
    return folder


def chosen(folder):
    (path,) = (folder / "tuning").iterdir()
    return json.loads(path.read_text())["k"]


def test_json_is_all_there_is_on_stdout_and_nothing_is_left_to_do(results):
    result = seek("tune", *PAIR, *SEARCH, "--out", results, "--format", "json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["k"] == chosen(results)
    assert [row["k"] for row in answer["by_k"]] == [1, 2]
    assert result.stderr == ""


def test_a_dry_run_lists_the_runs_and_writes_nothing(results, tmp_path):
    result = seek("tune", *PAIR, *SEARCH, "--out", results, "--dry-run")
    assert result.stdout.count("finished") == 5
    result = seek("tune", *PAIR, "--out", tmp_path / "r", "--dry-run", "--format", "json")
    rows = json.loads(result.stdout)
    assert (len(rows), {row["state"] for row in rows}) == (20, {"new"})
    assert not (tmp_path / "r").exists()


def test_k_auto_takes_the_choice_for_every_seed(results):
    result = seek("train", *PAIR, *AUTO, "--seeds", "2", "--out", results)
    assert result.exit_code == 0, result.output
    assert f"k={chosen(results)} of 1, 2, by validation accuracy over 2 folds of 1 epoch, chosen" in result.stderr
    assert result.stdout.count(f"_loss-k{chosen(results)}_identity_s") == 4
    shown = seek("train", *PAIR, *AUTO, "--print-config", "--out", results).stdout.splitlines()
    (line,) = [line for line in shown if line.startswith("motivation.k =")]
    assert line.split() == ["motivation.k", "=", str(chosen(results)), "#", "tuned"]


def test_k_auto_searches_first_where_nothing_is_chosen_and_says_so(tmp_path):
    result = seek("train", *PAIR, *AUTO, "--out", tmp_path / "r", "--dry-run")
    assert "auto, not chosen yet: 2 values of k x 2 folds = 4 runs of 1 epoch come first" in result.stdout
    assert not (tmp_path / "r").exists()
    result = seek("train", *PAIR, *AUTO, "--out", tmp_path / "r", "--progress", "json")
    assert result.exit_code == 0, result.output
    assert "no k is chosen yet" in result.stderr
    assert "is chosen: " in result.stderr
    last = json.loads(result.stdout.splitlines()[-1])
    assert f"_loss-k{chosen(tmp_path / 'r')}_identity_s0_" in last["run_id"]
    assert len(list((tmp_path / "r" / "runs").iterdir())) == 5


def test_classic_schedules_do_not_mind_k_auto(tmp_path):
    result = seek("train", *PAIR, *AUTO, "--schedule", "base", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "r" / "runs").iterdir())) == 1


def test_runs_over_folds_are_listed_as_such_and_compared_with_nothing(results):
    seek("train", *PAIR, "--schedule", "base", "--out", results)
    rows = json.loads(seek("list", "runs", "--out", results, "--format", "json").stdout)
    over = [row for row in rows if row["fold"]]
    assert sorted(row["fold"] for row in over) == ["0 of 2", "0 of 2", "1 of 2", "1 of 2"]
    assert all(row["base_accuracy_percent"] is None for row in over)
    assert all(row["base_validation_accuracy_percent"] is not None for row in over)
    comparison = json.loads(seek("compare", results, "--format", "json").stdout)
    assert comparison["runs_found"] == len(rows) - 4
    assert comparison["not_counted"] == []
    assert comparison["notes"][0].startswith("4 runs over folds are no result and left out")


@pytest.mark.slow
def test_a_grid_searches_before_its_points(tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text("""
        name = "auto"
        seeds = 2
        [settings]
        pair = { base = "resnet8", motivated = "resnet14" }
        data.name = "synthetic:1x8x8:3:60"
        train = { epochs = 1, batch_size = 16 }
        runtime.device = "cpu"
        tune = { k = "1,2", folds = 2 }
        [[arms]]
        motivation.k = "auto"
        [[arms]]
        schedule = "base"
        """)
    out = tmp_path / "r"
    planned = seek("grid", "plan", grid, "--out", out, "--format", "json")
    rows = json.loads(planned.stdout)
    assert [(row["run_id"] is None, row["state"]) for row in rows] == [(True, "waits"), (False, "new")] * 2
    shown = seek("grid", "plan", grid, "--out", out).stdout
    assert "waits for its k: 2 values of k x 2 folds = 4 runs of 1 epoch" in shown
    assert "before     to choose k for resnet8-to-14_synthetic_" in shown
    assert not out.exists()
    result = seek("grid", "run", grid, "--out", out)
    assert result.exit_code == 0, result.output
    assert len(list((out / "runs").iterdir())) == 4 + 4
    rows = json.loads(seek("grid", "plan", grid, "--out", out, "--format", "json").stdout)
    assert {row["state"] for row in rows} == {"finished"}
    assert sum(f"_loss-k{chosen(out)}_" in row["run_id"] for row in rows) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--folds", "1"], ["--folds", "1"]),
        (["--k", "2,x"], ["--k", "2,x", "2,3,4,5"]),
        (["--condition", "always"], ["always", "loss"]),
        (["--tune-epochs", "0"], ["--tune-epochs"]),
        (["--folds", "17"], ["--folds 17", "16"]),
        (["--set", "tune.fold=3"], ["tune.fold", "tune.folds"]),
        (["--model", "resnet20-to-33"], ["resnet20-to-33"]),
        (["--progress", "loud"], ["--progress"]),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, arguments, words):
    given = PAIR[4:] if "--model" in arguments else PAIR
    result = seek("tune", *given, *arguments, "--out", tmp_path / "r")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("seek: error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    assert all(word in result.stderr for word in words), result.stderr
    assert not (tmp_path / "r").exists()


def test_more_folds_than_the_smallest_class_of_a_folder_has_are_refused_before_anything(tmp_path):
    """The list of files is known before an image is read, so a dry run says it too."""
    root = photo_tree(tmp_path / "photos", train=6)
    next((root / "train" / CLASSES[1]).iterdir()).unlink()
    arguments = ["--model", "resnet8-to-14", "--data", f"folder:{root}", "--image-size", "8", "--out", tmp_path / "r"]
    for command in (["tune", "--folds", "6"], ["tune", "--folds", "6", "--dry-run"]):
        result = seek(*command, *arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert "--folds 6 (data.folds): more than the smallest class has training images, 5" in result.stderr
    assert not (tmp_path / "r").exists()
