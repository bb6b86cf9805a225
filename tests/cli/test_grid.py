"""`seek grid` as a user meets it: every point is told, and one that is bad stops nothing."""

from __future__ import annotations

import json
import shlex

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.grid.plan import points_of_grid
from seekcli.report.repeat import command_of

GRID = """
seeds = 3
[settings]
pair = { base = "resnet8", motivated = "resnet14" }
data.name = "synthetic:1x8x8:3:30"
train = { epochs = 1, batch_size = 4 }
runtime.device = "cpu"
motivation.k = 1
[[arms]]
schedule = "base"
"""


def seek(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def damage(grid, out):
    """Two of the three points are finished, and the first is damaged then."""
    assert seek("grid", "run", grid, "--out", out).exit_code == 0
    first = points_of_grid(grid)[0].run_id
    (out / "runs" / first / "status.json").write_text("damaged")
    return first


def test_a_damaged_point_is_a_state_of_the_plan_and_stops_no_other_point(grid, tmp_path):
    out = tmp_path / "r"
    first = damage(grid, out)
    grid.write_text(GRID.replace("seeds = 3", "seeds = 4"))
    planned = seek("grid", "plan", grid, "--out", out)
    assert planned.exit_code == 0, planned.output
    states = [line.split()[0] for line in planned.stdout.splitlines() if line.startswith(("damaged", "fin", "new"))]
    assert states == ["damaged", "finished", "finished", "new"]
    rows = json.loads(seek("grid", "plan", grid, "--out", out, "--format", "json").stdout)
    assert ["status.json is damaged" in (row["problem"] or "") for row in rows] == [True, False, False, False]

    result = seek("grid", "run", grid, "--out", out)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert lines[-1] == "seek: error: 1 of 4 runs failed"
    table = lines[lines.index("4 runs: 1 damaged, 3 finished") :]
    assert table[1].split() == ["damaged", first]
    assert "status.json is damaged" in table[2]
    again = seek(*shlex.split(table[3].removeprefix("again"))[1:])  # the command that is told repairs it
    assert again.exit_code == 0, again.output
    assert seek("grid", "run", grid, "--out", out).exit_code == 0


@pytest.mark.slow
def test_train_over_seeds_goes_on_after_a_damaged_one(grid, tmp_path):
    out = tmp_path / "r"
    damage(grid, out)
    words = ["--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--epochs", "1", "--batch-size", "4"]
    words += ["--device", "cpu", "--schedule", "base", "--out", out]
    result = seek("train", *words, "--seeds", "4")
    assert result.exit_code == 1
    assert "4 runs: 1 damaged, 3 finished" in result.stderr
    planned = seek("train", *words, "--seeds", "2", "--dry-run")
    assert planned.exit_code == 0
    assert planned.stdout.count("\nstate ") == 2
    assert "damaged: " in planned.stdout
    alone = seek("train", *words, "--seed", "0")
    assert (alone.exit_code, alone.stderr.count("\n")) == (2, 1)


def test_what_keeps_all_runs_from_starting_is_one_line(tmp_path):
    nowhere = ("--data", "cifar10", "--data-dir", tmp_path / "none")
    result = seek("train", *nowhere, "--seeds", "3", "--out", tmp_path / "r")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("seek: error: ")
    assert result.stderr.count("seek: error: ") == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_search_with_a_damaged_fold_trains_the_others_and_the_baseline_runs(tmp_path):
    out = tmp_path / "r"
    words = ["--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:60", "--epochs", "1", "--batch-size", "16"]
    words += ["--device", "cpu", "--out", out]
    tune = ["tune", *words, "--k", "1,2", "--folds", "2"]
    rows = json.loads(seek(*tune, "--dry-run", "--format", "json").stdout)
    folder = out / "runs" / rows[0]["run_id"]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    result = seek(*tune)
    assert result.exit_code == 1
    assert "4 runs: 1 damaged, 3 finished" in result.stderr
    assert "1 of 4 runs failed, so that no k is chosen" in result.stderr
    states = [row["state"] for row in json.loads(seek(*tune, "--dry-run", "--format", "json").stdout)]
    assert states == ["damaged", "finished", "finished", "finished"]
    assert not (out / "tuning").exists()
    auto = ["--k", "auto", "--set", "tune.k=1,2", "--set", "tune.folds=2", "--schedule", "all"]
    trained = seek("train", *words, *auto)
    assert trained.exit_code == 1
    assert "3 runs: 2 finished, 1 failed" in trained.stderr
    again = next(line for line in trained.stderr.splitlines() if line.startswith("again") and "--k auto" in line)
    assert "tune.folds=2" in again


@pytest.mark.parametrize("path", ["grids/digits.toml", pytest.param("grids/starts.toml", marks=pytest.mark.slow)])
def test_the_command_that_is_told_for_a_point_is_that_point(path):
    from pathlib import Path

    from seekcli.grid.tune import draft

    grid = Path(__file__).parents[2] / path
    for point in points_of_grid(grid)[:8]:
        words = shlex.split(command_of(point.resolved, Path("results"), grid.name))[1:]
        planned = seek(*words, "--dry-run")
        assert planned.stdout.splitlines()[0].split()[-1] == point.run_id, words
    assert draft
