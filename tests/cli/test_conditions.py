"""Conditions as a user meets them: the page that explains them does what it says, and mistakes are one clear line."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.method.condition import CONDITIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
TINY = ["--base", "resnet8", "--motivated", "resnet14", "--data", "synthetic:1x8x8:3:30", "--epochs", "2"]
TINY += ["--batch-size", "4", "--lr", "0.02", "--device", "cpu", "--set", "pair.recalibrate_batches=0"]


def seek(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def commands_of_the_page():
    return [line.strip() for line in PAGE.splitlines() if line.strip().startswith("seek train ")]


def test_the_example_of_the_page_trains(here):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in code.splitlines() if line and '"""' not in line]
    assert len(lines) == 10
    module = re.search(r"`(\w+)\.py`", PAGE)[1]
    (here / f"{module}.py").write_text(code)
    (command,) = [line for line in commands_of_the_page() if module in line]
    result = seek(*shlex.split(command)[1:], *TINY, "--k", "2", "--out", "results")
    assert result.exit_code == 0, result.output
    (folder,) = (here / "results" / "runs").iterdir()
    assert "below_mean-belowmean-k2" in folder.name
    share = next(line for line in result.stdout.splitlines() if line.startswith("share"))
    assert not share.split()[1].startswith("0.0000")
    assert "no expectation for this condition" in share


def test_the_matched_count_commands_of_the_page_run_one_after_the_other(here):
    commands = [line for line in commands_of_the_page() if "--seeds" in line]
    assert [("matched-count" in line) for line in commands] == [False, True]
    for command in commands:
        result = seek(*shlex.split(command)[1:], *TINY, "--seeds", "1", "--k", "1", "--epochs", "1")
        assert result.exit_code == 0, result.output
    names = sorted(folder.name for folder in (here / "results" / "runs").iterdir())
    assert [name.split("_")[2] for name in names] == ["loss-k1", "matched-count"]


@pytest.mark.parametrize("condition", ["window", "periodic", "budget"])
def test_the_schedules_of_the_page_have_a_run_id_and_a_known_cost(here, condition):
    (command,) = [line for line in commands_of_the_page() if f"--condition {condition}" in line]
    numbers = re.findall(r"=([\d.]+)", command)
    result = seek(*shlex.split(command)[1:], *TINY, "--dry-run")
    assert result.exit_code == 0, result.output
    label = "-".join([condition, *numbers])
    assert f"_{label}_identity_" in result.stdout
    assert re.search(rf"^motivation  {label}: expected share 0\.\d+ by its schedule$", result.stdout, re.MULTILINE)
    assert "F_XY" in result.stdout
    # Not set and set to what it becomes then are one run.
    plain = seek("train", *TINY, "--condition", condition, "--dry-run").stdout.split()[1]
    flat = dict(
        re.findall(
            r"^(motivation\.\w+) = ([\d.]+)",
            seek("train", *TINY, "--condition", condition, "--print-config").stdout,
            re.MULTILINE,
        )
    )
    said = [word for key in flat for word in ("--set", f"{key}={flat[key]}")]
    assert seek("train", *TINY, "--condition", condition, *said, "--dry-run").stdout.split()[1] == plain


def test_the_page_names_every_condition_and_the_list_too():
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert re.findall(r"`([\w-]+)`", " ".join(rows)) == list(CONDITIONS)
    table = seek("list", "conditions").stdout
    assert all(re.search(rf"^{name} .*\w", table, re.MULTILINE) for name in CONDITIONS)


def test_held_out_images_go_to_all_schedules(here):
    arguments = ["--condition", "validation-loss", "--set", "data.holdout_images=6", "--schedule", "all"]
    result = seek("train", *TINY, *arguments, "--epochs", "1", "--out", "r")
    assert result.exit_code == 0, result.output
    configs = [path.read_text() for path in here.glob("r/runs/*/config.json")]
    assert len(configs) == 3
    assert all(re.search(r'"train_images":\s*18\b', text) for text in configs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--condition", "validation-loss"], ["validation-loss", "data.holdout_images"]),
        (["--condition", "validation-loss", "--set", "data.holdout_images=24"], ["data.holdout_images", "24"]),
        (["--set", "data.holdout_images=-1"], ["data.holdout_images", "-1"]),
        (["--condition", "matched-count"], ["matched-count", "motivation.counts_from"]),
        (["--condition", "matched-count", "--set", "motivation.counts_from=none_such"], ["none_such", "no such"]),
        (["--condition", "matched-count", "--set", "motivation.counts_from=."], ["counts_from .", "no runs"]),
        (["--condition", "matched-count", "--set", "motivation.counts=[1]"], ["motivation.counts", "2 epochs"]),
        (["--condition", "matched-count", "--set", "motivation.counts=[1, -1]"], ["motivation.counts", "-1"]),
        (["--condition", "ema-los"], ["--condition", "ema-los", "ema-loss"]),
        (["--condition", "nowhere:Condition"], ["nowhere:Condition", "nowhere"]),
        (
            ["--condition", "window", "--set", "motivation.window_start=0.9", "--set", "motivation.window_stop=0.5"],
            ["motivation.window_start", "0.9", "motivation.window_stop", "0.5"],
        ),
        (["--condition", "window", "--set", "motivation.window_stop=1.5"], ["motivation.window_stop", "1.5"]),
        (["--condition", "periodic", "--set", "motivation.every_steps=0"], ["motivation.every_steps", "0"]),
        (["--condition", "budget", "--set", "motivation.share=1.1"], ["motivation.share", "1.1"]),
        (["--condition", "budget", "--set", "motivation.shares=0.1"], ["motivation.shares", "motivation.share"]),
        (["--set", "motivation.ema_alpha=0"], ["motivation.ema_alpha", "0"]),
        (["--set", "motivation.ema_fall_percent=100"], ["motivation.ema_fall_percent", "100"]),
        (["--set", "motivation.emaalpha=0.1"], ["motivation.emaalpha", "motivation.ema_alpha"]),
        (["--set", "motivation.options=5"], ["motivation.options", "5"]),
        (["--set", "motivation.options.a=inf"], ["motivation.options", "finite"]),
        (["--set", "motivation.options.when=2026-01-01"], ["motivation.options", "when"]),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(here, arguments, words):
    result = seek("train", *TINY, *arguments, "--out", "r")
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert result.stderr.startswith("seek: error: ")
    assert result.stderr.count("\n") == 1
    assert all(word in result.stderr for word in words), result.stderr
    assert not (here / "r").exists()


def test_a_condition_that_raises_exits_1_with_a_line_that_names_it_and_the_step(here):
    (here / "sulky.py").write_text(
        "class Sulky:\n"
        "    def __init__(self, k, options): pass\n"
        "    def observe(self, step): return step.batch < 2 or 1 / 0 > 1\n"
        "    def state_dict(self): return {}\n"
        "    def load_state_dict(self, state): pass\n"
    )
    result = seek("train", *TINY, "--condition", "sulky:Sulky", "--out", "r")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    (line,) = result.stderr.splitlines()
    assert "sulky:Sulky" in line
    assert "step 3" in line
    assert "ZeroDivisionError" in line


def test_the_list_shows_installed_conditions_without_importing_them(here):
    info = here / "brought-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seekcli.conditions]\nbrought-along = no_such_module:Condition\n")
    sys.path.insert(0, str(here))
    table = seek("list", "conditions").stdout
    assert re.search(r"^brought-along .*no_such_module:Condition", table, re.MULTILINE)
