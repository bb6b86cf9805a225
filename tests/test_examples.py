"""The programs under examples/ run, and what they record is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seekcli

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_models_and_images_of_ones_own(tmp_path):
    pair = ["--base", "my_models:tiny", "--motivated", "my_models:large", "--data", "my_data:load"]
    command = [sys.executable, "-m", "seekcli", "train", *pair, "--epochs", "2", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES, check=False)
    assert done.returncode == 0, done.stderr
    assert "my_models:large: test accuracy" in done.stdout


def test_a_loop_of_ones_own(tmp_path):
    command = [
        sys.executable,
        str(EXAMPLES / "own_loop.py"),
        "--epochs",
        "2",
        "--steps",
        "20",
        "--all",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES.parent, check=False)
    assert done.returncode == 0, done.stderr
    assert "coverage 100%" in done.stdout
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
