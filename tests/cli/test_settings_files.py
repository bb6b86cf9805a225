"""`--config FILE` and `--recipe FILE.toml`: what --print-config prints is read back, and wrong keys are named."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from resumed_runs import StopAfter
from tiny import tiny

from seekcli.config.layers import Resolved, merge, parse_assignment
from seekcli.config.settings import flatten
from seekcli.config.settings_files import as_toml, read_settings
from seekcli.engines.run import train_run
from seekcli.errors import Stopped
from seekcli.report.repeat import command_of
from seekcli.resolve.resolve import resolve

TINY = ("--model", "resnet8-to-14", "--batch-size", 64)
RUN_ID = re.compile(r"^run +(\S+)$", re.MULTILINE)


def planned(*words: Any) -> str:
    result = seek("train", *words, "--dry-run")
    assert result.exit_code == 0, (result.output, result.exception)
    return RUN_ID.findall(result.stdout)[0]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--schedule", "base", "--lr", "1e-5", "--seed", 3),
        ("--set", "augment.autoaugment=cifar10", "--data", "synthetic:3x32x32:4:400", "--image-size", 16),
        ("--schedule", "base", "--match", "train_flops"),
        ("--condition", "window", "--steps", 90),
    ],
)
def test_what_is_printed_is_read_back_as_the_same_run(tmp_path: Path, words: tuple[Any, ...]) -> None:
    printed = seek("train", *TINY, *words, "--print-config").stdout
    (tmp_path / "my.toml").write_text(printed)
    assert tomllib.loads(printed)
    assert planned("--config", tmp_path / "my.toml") == planned(*TINY, *words)


def test_text_of_any_kind_comes_back() -> None:
    odd = 'a "quoted" \\ path\twith é and \U0001f600'
    options = {"motivation.options.word": odd, "motivation.options.é": [0.5, 1, True, "x"]}
    resolved = merge([("test", {"data.dir": odd, "optimizer.lr": 1e-5, "motivation.counts": [3, 4], **options})])
    back = read_settings(tomllib.loads(as_toml(resolved)), "test")
    assert merge([("test", back)]).config == resolved.config


def test_none_is_null_only_where_a_setting_may_be_unset() -> None:
    assert parse_assignment("data.limit_train=none") == ("data.limit_train", None)
    assert parse_assignment("augment.autoaugment=none") == ("augment.autoaugment", "none")
    read = read_settings({"data": {"limit_train": "none"}, "augment": {"autoaugment": "none"}}, "test")
    assert read == {"data.limit_train": None, "augment.autoaugment": "none"}


def test_flags_win_over_the_file_and_the_file_over_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('model = "resnet8-to-14"\n[train]\nepochs = 7\nbatch_size = 50\n[data]\ntest_images = 300\n')
    printed = seek("train", "--config", path, "--batch-size", 40, "--print-config").stdout
    values = dict(flatten(tomllib.loads(printed)))
    assert [values[f"train.{key}"] for key in ("epochs", "batch_size")] == [7, 40]
    assert (values["pair.motivated"], values["data.test_images"]) == ("resnet14", 300)
    assert re.search(rf"^train.epochs = 7 +# --config {re.escape(str(path))}$", printed, re.MULTILINE)
    assert "train.batch_size = 40" in printed
    assert seek("tune", "--config", path, "--k", "2,3", "--folds", 2, "--out", tmp_path, "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[optimzer]\nlr = 0.1\n", ["optimzer.lr", "did you mean 'optimizer.lr'"]),
        ("[optimizer]\nlr = true\n", ["optimizer.lr", "valid number"]),
        ("[optimizer]\nlr = \n", ["line 2"]),
        ("optimizer = 3\n", ["optimizer"]),
        ("model = 3\n", ["model must be the name of one pair"]),
        ('model = "resnet8"\n', ["resnet8"]),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    words = error_of(seek("train", "--config", path, "--dry-run"))
    assert all(word in words for word in said), words
    if "model" not in text or "= 3" in text:
        assert "my.toml" in words


@pytest.mark.parametrize("flag", ["--config", "--recipe"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, flag: str) -> None:
    assert f"{flag} {tmp_path / 'no.toml'} does not exist" in error_of(seek("train", flag, tmp_path / "no.toml"))
    (tmp_path / "no.toml").mkdir()
    assert "Is a directory" in error_of(seek("train", flag, tmp_path / "no.toml"))


RECIPE = """about = "mine"
[train]
epochs = 6
batch_size = 40
[lr_schedule]
warmup_epochs = 3.0
[per_data.digits.optimizer]
lr = 0.03
"""


def test_a_recipe_of_your_own_is_taken_as_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    resolved = resolve([("--recipe", {"recipe": str(path)}), ("test", {"train.epochs": 2, "runtime.device": "cpu"})])
    config = resolved.config
    assert (config.recipe, config.recipe_file) == ("mine.toml", str(path))
    assert (config.train.batch_size, config.optimizer.lr) == (40, 0.03)
    assert config.lr_schedule.warmup_epochs == 1.0  # a shorter run keeps the shape
    assert resolved.origins["optimizer.lr"] == "recipe mine.toml"
    assert f"--recipe {path}" in command_of(resolved, Path("results"))
    moved = tmp_path / "other" / "mine.toml"
    moved.parent.mkdir()
    moved.write_text(RECIPE)
    assert planned("--recipe", moved) == planned("--recipe", path) != planned()
    moved.write_text(RECIPE.replace("0.03", "0.02"))
    assert planned("--recipe", moved) != planned("--recipe", path)
    printed = seek("train", "--recipe", path, "--print-config").stdout
    (tmp_path / "my.toml").write_text(printed)
    assert planned("--config", tmp_path / "my.toml") == planned("--recipe", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nepoch = 6\n", "did you mean 'train.epochs'"),
        ("[per_data.cifar10.train]\nepoch = 6\n", "did you mean 'train.epochs'"),
        ("per_data = 3\n", "per_data must be tables"),
        ("[train]\nepochs = 0\n", "train.epochs (recipe mine.toml)"),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_the_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    words = error_of(seek("train", "--recipe", tmp_path / "mine.toml", "--dry-run"))
    assert said in words
    assert "mine.toml" in words


def test_a_name_that_is_no_recipe_is_still_answered_by_names() -> None:
    assert "did you mean 'digits'" in error_of(seek("train", "--recipe", "digit"))


def test_a_run_by_a_recipe_of_its_own_is_resumed_and_exported(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[lr_schedule]\nname = "constant"\n')
    resolved: Resolved = tiny(recipe=str(tmp_path / "mine.toml"), train__epochs=1, schedule="base")
    progress = StopAfter(2)
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path / "results", progress, stop_requested=progress.reason)
    train_run(resolved, tmp_path / "results")
    (run,) = (tmp_path / "results" / "runs").iterdir()
    assert seek("export", run, "--to", tmp_path / "export").exit_code == 0
    words = error_of(seek("evaluate", tmp_path / "export", "--recalibrate"))
    assert "a recipe that its card cannot tell: give the run" in words
    assert "recipe mine.toml" in seek("compare", tmp_path / "results").stdout
