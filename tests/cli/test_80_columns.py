"""What is read on a terminal of 80 columns, and in a pipe: nothing is wider but a path or a name that is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import error_of, seek

from seekcli.cli.app import COMMANDS, app
from seekcli.engines.doctor import Finding

# A pair of each family, with a partial map, slices, fused projections and a stack of blocks of its own.
PAIRS = ("resnet20-to-32", "resnet18-to-50", "efficientnet-b6-to-b7", "vit-tiny-to-small", "gpt-2x64-to-4x128")
COUNTED = [pair for pair in PAIRS if "b6" not in pair]  # whose costs are written down
TRIED = "versions that nobody has tried with one another yet, as far as is known here"
LONG = Finding(topic="torch and torchvision", state="note", text=TRIED)
DRY = ("train", "--dry-run", "--model", "resnet8-to-14", "--schedule", "all", "--epochs", "1", "--out", "out")


def widest(shown: str) -> str:
    return max(shown.splitlines(), key=len)


@pytest.mark.parametrize("columns", [80, None])
@pytest.mark.parametrize(
    "words",
    [
        *(("map", "--model", pair, *more) for pair in PAIRS for more in ((), ("--tensors",))),
        *(("flops", "--model", model) for model in (*COUNTED, "efficientnet-b0", "gpt-4x64-ff128-to-4x64")),
        ("doctor",),
        DRY,
    ],
    ids=" ".join,
)
def test_nothing_is_wider(
    words: tuple[str, ...], columns: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seekcli.engines.doctor.examine", lambda *_: [LONG, LONG])
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    shown = seek(*words)
    assert shown.exit_code == 0, shown.output
    assert len(widest(shown.stdout)) <= 80, widest(shown.stdout)


def test_a_wide_terminal_has_whole_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert len(widest(seek("map", "--model", "resnet18-to-50").stdout)) > 80
    assert "resnet18 (base) " in seek("flops", "--model", "resnet18-to-50").stdout


def test_a_finding_goes_on_below_where_it_begins() -> None:
    from seekcli.cli.output import fitted_line

    first, second = fitted_line(f"- {LONG.topic:22} {LONG.text}", 80).splitlines()
    assert first.index("versions that") == len(second) - len(second.lstrip())


def commands() -> list[str]:
    grid = typer.main.get_command(app).commands["grid"].commands
    return [*COMMANDS, *(f"grid {name}" for name in grid)]


@pytest.mark.parametrize("command", commands())
def test_help_breaks_no_choice(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = seek(*command.split(), "--help").stdout
    assert len(widest(shown)) <= 80
    cells = re.split(r" {2,}|\n", shown)
    assert [cell for cell in cells if "|" in cell and cell.count("[") != cell.count("]")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("map resnet20-to-32", "unexpected 'resnet20-to-32'; did you mean --model resnet20-to-32?"),
        ("flops resnet20", "unexpected 'resnet20'; did you mean --model resnet20?"),
        ("train resnet20-to-32", "unexpected 'resnet20-to-32'; did you mean --model resnet20-to-32?"),
        ("train digits", "unexpected 'digits'; did you mean --data digits?"),
        ("train folder:photos", "unexpected 'folder:photos'; did you mean --data folder:photos?"),
        ("doctor resnet20-to-32", "unexpected 'resnet20-to-32'; `seek doctor --help` has what it takes"),
        ("map --model foo", "unknown pair 'foo'; `seek list models` has all"),
        ("flops --model foo", "unknown --model 'foo'; `seek list models` has all"),
        (
            "train --set train.lrr=0.1",
            "unknown setting in --set: 'train.lrr'; did you mean 'optimizer.lr'?; `seek list settings` has all",
        ),
    ],
)
def test_a_slip_has_its_way_out(words: str, said: str) -> None:
    assert error_of(seek(*words.split())) == said
