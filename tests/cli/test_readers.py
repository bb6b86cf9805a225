"""Who reads the output of a command may go away: what reads ends without a word, what trains goes on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seekcli.cli.app import app
from seekcli.runs import records

TINY = ("--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--schedule", "base")
TINY += ("--epochs", "1", "--batch-size", "12", "--device", "cpu")


@contextmanager
def reader_gone() -> Iterator[None]:
    """A pipe as stdout whose other side is closed. No fixture: pytest puts its own stdout back before a test."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    before = sys.stdout
    with open(write_end, "w", encoding="utf-8") as sys.stdout:  # closing it flushes, as Python does when it ends
        yield
    sys.stdout = before


def exit_code(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        app([str(word) for word in words], prog_name="seek")
    assert isinstance(ended.value.code, int)
    return ended.value.code


READING = ("list models", "list data --format json", "compare --paper", "--help", "train --help")


@pytest.mark.parametrize("words", READING)
def test_a_command_that_reads_ends_with_0_and_no_word(words: str, capfd: pytest.CaptureFixture[str]) -> None:
    with reader_gone():
        assert exit_code(*words.split()) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("style", ["plain", "json", "rich"])
def test_a_run_goes_on_without_output(style: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with reader_gone():
        assert exit_code("train", *TINY, "--progress", style, "--out", tmp_path) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert records.read_status(folder).state == "finished"
    assert "roken" not in capfd.readouterr().err


def test_bad_input_has_its_exit_code_where_nobody_reads_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with reader_gone():
        monkeypatch.setattr(sys, "stderr", sys.stdout)
        assert exit_code("train", "--model", "nonsense") == 2


@pytest.mark.parametrize("words", ["list models", "list data --format json"])
def test_an_output_that_is_closed_from_the_start_is_no_error(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert exit_code(*words.split()) == 0


def test_a_reader_who_stays_gets_everything(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("list", "models", "--format", "json") == 0
    assert len(json.loads(capfd.readouterr().out)) > 10


@pytest.mark.parametrize("words", [(), ("grid",)])
def test_a_command_without_words_prints_its_help_and_no_error(words: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as is typer's custom: a script that forgot the command is wrong."""
    assert exit_code(*words) == 2
    out, err = capfd.readouterr()
    assert err == ""
    assert "Usage: seek" in out
    assert "Commands" in out
