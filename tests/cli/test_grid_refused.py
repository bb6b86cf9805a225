"""Points that are refused: plan, status and their JSON say so and why, before they are run and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.engines import local
from seekcli.errors import BadInput

GRID = """
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:30"
train = { epochs = 1, batch_size = 8 }
runtime.device = "cpu"
[[arms]]
schedule = ["base", "motivated"]
[[arms]]
schedule = "alternating"
train.batch_size = 30
"""
ONE_STEP = "--batch-size 30: 24 training images make one step an epoch"


def seek(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def rows(command: str, grid: Path, out: Path) -> list[dict[str, Any]]:
    found = json.loads(seek("grid", command, grid, "--out", out, "--format", "json").stdout)
    return found if command == "plan" else found["runs"]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "g.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


def test_settings_that_are_refused_are_told_ahead(grid: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    planned = rows("plan", grid, out)
    assert [row["state"] for row in planned] == ["new", "new", "refused"]
    assert planned[2]["problem"].startswith(ONE_STEP)
    assert "left       " in (text := seek("grid", "plan", grid, "--out", out).stdout)
    assert "\nrefused    resnet8-to-14_" in text
    status = seek("grid", "status", grid, "--out", out).stdout.splitlines()
    assert status[0].startswith("3 runs: 1 refused, 2 new")
    assert status[1].startswith("refused ")
    assert status[2].strip().startswith(ONE_STEP)
    assert not out.exists()


def test_data_that_was_refused_is_told_until_it_is_run(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r"
    really = local.train_run

    def refuse_base(resolved: Any, *words: Any, **flags: Any) -> Any:
        if resolved.config.schedule == "base":
            raise BadInput("1.png, which is no image")
        return really(resolved, *words, **flags)

    monkeypatch.setattr(local, "train_run", refuse_base)
    result = seek("grid", "run", grid, "--out", out, "--jobs", 1)
    assert (result.exit_code, "3 runs: 2 refused, 1 finished" in result.stderr) == (1, True), result.stderr
    causes = [(row["state"], row["problem"]) for row in rows("status", grid, out)]
    assert causes[0] == ("refused", "1.png, which is no image (when it was run last)")
    assert causes[1][1].startswith(ONE_STEP)
    head = seek("grid", "status", grid, "--out", out).stdout.splitlines()[0]
    assert head == "3 runs: 1 finished, 2 refused"  # nothing is left that time could be told of
    monkeypatch.undo()
    assert seek("grid", "run", grid, "--out", out, "--jobs", 1).exit_code == 1
    assert [row["problem"].startswith(ONE_STEP) for row in rows("status", grid, out)] == [True]
    assert [path.name.startswith("resnet8-to-14_") for path in (out / "refused").iterdir()] == [True]
