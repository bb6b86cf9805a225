"""The programs under examples/ run, and what they record is read."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_models_and_images_of_ones_own(tmp_path, monkeypatch):
    """In this process, which has imported torch: tests/cli/test_own_models.py starts one of its own."""
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.syspath_prepend(EXAMPLES)
    pair = ["--base", "my_models:tiny", "--motivated", "my_models:large", "--data", "my_data:load"]
    done = CliRunner().invoke(app, ["train", *pair, "--epochs", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "my_models:large: test accuracy" in done.stdout


def test_a_loop_of_ones_own(tmp_path, monkeypatch, capsys):
    program = EXAMPLES / "own_loop.py"
    words = ["--epochs", "1", "--steps", "8", "--all", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(program), *words])
    runpy.run_path(str(program), run_name="__main__")
    assert "coverage 100%" in capsys.readouterr().out
    frame = seekcli.compare(tmp_path).to_frame()
    assert list(frame["group"]) == ["X-C", "X-Y-B", "X-Y-M", "Y-C"]
    assert list(frame["model"]) == ["char-1", "char-1", "char-3", "char-3"]
    assert (tmp_path / "models" / "alternating-0" / "card.json").is_file()


@pytest.mark.slow
def test_a_regression_is_compared_by_the_variance_it_explains(tmp_path):
    command = [sys.executable, str(EXAMPLES / "regression.py"), "--epochs", "2", "--all", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES.parent, check=False)
    assert done.returncode == 0, done.stderr
    frame = seekcli.compare(tmp_path, metric="test_r2").to_frame()
    assert list(frame["group"]) == ["X-C", "X-Y-B", "X-Y-M", "Y-C"]
    assert "seed 0, base: test R2 base " in done.stdout
