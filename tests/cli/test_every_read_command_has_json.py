"""Whatever answers a question answers it as JSON too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from finished_runs import make_run
from run_folders import Results
from typer.testing import CliRunner

from seekcli.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
# These do something: `train --progress json`, with `--dry-run` too, `export --json` and `report --format json` say it.
DOING = {"train", "export", "report", "remove", "grid run", "grid retry", "grid work", "grid cancel"}
# It needs runs of language models, and its JSON is read in test_speculative.py.
OF_TEXT = {"speculative"}
# Words that make the others answer: of RUN, a run with models in the results folder OUT, or of the tables in RECORDS.
QUESTIONS = {
    "bench": "--seconds 0.01 --data synthetic:1x8x8:3:96 --model resnet8-to-14",
    "compare": "RECORDS",
    "doctor": "--out OUT",
    "evaluate": "RUN",
    "flops": "",
    "grid plan": "GRID --out OUT",
    "grid status": "GRID --out OUT",
    "list": "runs --out OUT",
    "map": "",
    "tune": "--dry-run --folds 2 --out OUT",
}


def all_commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_asks_or_does() -> None:
    """A new command is named above: as one that does something, or with words that make it answer as JSON."""
    assert {*all_commands(typer.main.get_command(app))} == {*QUESTIONS, *DOING, *OF_TEXT}


@pytest.mark.parametrize("command", QUESTIONS)
def test_it_answers_in_json_alone(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seekcli.engines.speed.BLOCK_SECONDS", 0.01)
    run = make_run(tmp_path / "out")
    Results(tmp_path / "records").add(accuracy=90.0)
    grid = ROOT / "grids" / "digits.toml"
    places = {"RECORDS": tmp_path / "records", "OUT": tmp_path / "out", "RUN": run, "GRID": grid}
    words = f"{command} {QUESTIONS[command]} --format json".split()
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]
    result = CliRunner().invoke(app, words)
    assert result.exit_code in (0, 1), result.output  # the doctor may find something wrong
    assert json.loads(result.stdout)


def test_a_dry_run_of_train_does_too(tmp_path: Path) -> None:
    words = "train --model resnet8-to-14 --data synthetic:1x8x8:3:30 --batch-size 4 --epochs 2 --schedule all --dry-run"
    result = CliRunner().invoke(app, [*words.split(), "--progress", "json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    planned = json.loads(result.stdout)
    assert [[one["state"], one["epochs"], one["steps"], [*one["models"]]] for one in planned["runs"]] == [
        ["new", 2, 12, ["base"]], ["new", 2, 12, ["motivated"]], ["new", 2, 12, ["base", "motivated"]]
    ]  # fmt: skip
    both, total = planned["runs"][-1], planned["total"]
    assert both["models"]["base"]["forward_macs_per_image"] < both["models"]["motivated"]["forward_macs_per_image"]
    assert total["train_flops"] == sum(one["expected_train_flops"] for one in planned["runs"])
    assert [total["states"], total["hours"], both["coverage"]] == [{"new": 3}, None, 1.0]
