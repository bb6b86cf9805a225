"""What the README tells users to type exists: every command, every flag, every file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import COMMANDS, app
from seekcli.config.identity import run_id
from seekcli.resolve.resolve import resolve

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL_BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [shlex.split(line, comments=True) for block in SHELL_BLOCKS for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("words", [line for line in LINES if line[0] == "seek"], ids=" ".join)
def test_every_seek_command_of_the_readme_exists_with_its_flags(words):
    if words[1].startswith("--"):  # of `seek` itself
        assert words[1] in CliRunner().invoke(app, ["--help"]).stdout
        return
    command = [words[1]]
    help_text = CliRunner().invoke(app, [*command, "--help"]).stdout
    assert words[1] in COMMANDS
    for flag in (word for word in words[2:] if word.startswith("--")):
        assert flag in help_text, flag


@pytest.mark.parametrize("words", [line for line in LINES if line[0] == "make"], ids=" ".join)
def test_every_make_target_of_the_readme_exists(words):
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_table_of_commands_is_complete():
    assert set(re.findall(r"^\| `seek (\w+)", README, re.MULTILINE)) == set(COMMANDS)


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_run_that_it_names_is_that_of_seek_train_without_arguments_on_a_cpu():
    named = set(re.findall(r"resnet20\S*_[0-9a-f]{10}\b", README))
    assert named == {run_id(resolve([("test", {"runtime.device": "cpu"})]).config)}


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no checkout")
def test_what_its_commands_make_is_left_out_of_git_and_what_is_published_is_not():
    made = ["results/runs/x", "results/tuning/x.json", "results/starts/runs/x", "exports/digits/x.json", "data/x"]
    asked = [*made, "results/published/x/README.md"]
    done = subprocess.run(["git", "check-ignore", *asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == made


def test_nothing_was_left_to_fill_in():
    assert "{{" not in README
