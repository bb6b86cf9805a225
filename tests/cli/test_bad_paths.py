"""Paths that no system takes, names that steer a terminal, names that are not UTF-8: one clear line each."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import assert_safe, error_of, seek
from finished_runs import make_run

from seekcli.cli.app import app
from seekcli.documents import read_document
from seekcli.runs.records import EPOCHS, write_epochs

TINY = ("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--epochs", "1", "--batch-size", "8")
STEERING = "\x1b[31mred\x07\x9b"
SHOWN = "\\x1b[31mred\\x07\\x9b"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("results"))
    write_epochs(folder / EPOCHS, read_document(folder / "status.json")["final"])
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands_with(path: str, run: Path) -> list[tuple[object, ...]]:
    """Every command with a path where it takes one. A NUL cannot stand on a command line, and can in TOML."""
    text = json.dumps(path)
    in_settings = [
        (*TINY, "--dry-run", "--set", f"data.name={json.dumps('folder:' + path)}"),
        (*TINY, "--dry-run", "--set", "data.name=imagenet:", "--set", f"data.dir={text}"),
        (*TINY, "--dry-run", "--set", f"transfer.source={text}"),
        (*TINY, "--dry-run", "--schedule", "base", "--match", "train_flops", "--set", f"train.match_from={text}"),
        (*TINY, "--dry-run", "--condition", "matched-count", "--set", f"motivation.counts_from={text}"),
        ("grid", "plan", path),
        ("grid", "run", path),
    ]
    if "\0" in path:
        return in_settings
    return [
        *in_settings,
        (*TINY, "--dry-run", "--out", path),
        ("export", path),
        ("export", run, "--to", path),
        ("export", "abc", "--out", path),
        ("evaluate", path),
        ("evaluate", run, "--data", f"folder:{path}"),
        ("compare", path),
        ("list", "runs", "--out", path),
        ("flops", "--model", "resnet8-to-14", "--data", f"folder:{path}"),
    ]


@pytest.mark.parametrize("path", ["a" * 256, "b/" * 2500 + "b", "a\0b", "loop"])
def test_a_path_that_the_system_refuses_is_bad_input(path: str, run: Path, here: Path) -> None:
    os.symlink("loop", "loop")
    training = [] if "\0" in path else [(*TINY, "--out", path)]
    for words in [*commands_with(path, run), *training]:
        error_of(seek(*words))
    assert os.listdir(here) == ["loop"]


def test_names_that_steer_a_terminal_are_written_out(run: Path, here: Path) -> None:
    for words in commands_with(STEERING, run):
        result = seek(*words)
        assert_safe(result)
        assert result.exit_code in (0, 2), result.output
    result = seek("compare", STEERING, run)
    assert_safe(result)
    assert SHOWN in seek("list", "runs", "--out", STEERING).output
    assert SHOWN in error_of(seek("export", STEERING))


def test_a_line_end_in_a_name_makes_no_line(run: Path, here: Path) -> None:
    name = "x\nseek: error: forged"
    os.symlink(run.parents[1], name)
    for words in [
        (*TINY, "--dry-run", "--out", name),
        ("list", "runs", "--out", name),
        ("compare", name),
        ("export", f"{name}/runs/{run.name}", "--to", f"{name}/exports"),
        ("evaluate", f"{name}/exports"),
        ("grid", "plan", name),
    ]:
        assert not [line for line in seek(*words).output.splitlines() if line.startswith("seek: error: forged")]


def test_a_folder_of_results_that_is_not_utf8_is_refused_and_a_finished_one_is_read(run: Path, here: Path) -> None:
    name = "caf\udce9"
    assert error_of(seek(*TINY, "--out", name)).endswith("its name is not UTF-8")
    assert os.listdir(here) == []
    os.symlink(run.parents[1], name)
    for words in [("list", "runs", "--out", name), ("compare", name), ("export", f"{name}/runs/{run.name}")]:
        result = seek(*words)
        assert result.exit_code == 0, result.output
    row = json.loads(seek("list", "runs", "--out", name, "--format", "json").stdout)[0]
    assert os.path.samefile(row["path"], run)  # JSON has its own way to write such bytes


def test_a_user_that_does_not_exist_has_no_folder(here: Path) -> None:
    path = "~nobody-of-this-name/x"
    error_of(seek(*TINY, "--dry-run", "--data", f"folder:{path}"))
    error_of(seek(*TINY, "--dry-run", "--init-from", path))
    error_of(seek(*TINY, "--dry-run", "--schedule", "base", "--match", "train_flops", "--match-from", path))


def test_json_is_json_where_the_output_holds_ascii_alone(
    run: Path, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink(run.parents[1], "größer")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="ascii"))
    with pytest.raises(SystemExit, match="0"):
        app(["list", "runs", "--out", "größer", "--format", "json"])
    assert json.loads(capfd.readouterr().out)[0]["path"].startswith("größer")
    with pytest.raises(SystemExit, match="0"):
        app(["compare", "größer"])
    assert capfd.readouterr().out.startswith("1 run: 1 finished\n")
