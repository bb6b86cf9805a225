"""Published findings: what `compare --tables` wrote is compared and reported, and no command counts it as done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from outlined_pictures import outline_pictures
from run_folders import Results, results  # noqa: F401

from seekcli.cli.app import app
from seekcli.runs.records import read_epochs


def seek(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(map(str, words)))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def published(results: Results) -> Path:  # noqa: F811
    data = {"data__classes": 10, "data__channels": 1, "data__image_size": 8}  # as every digits run has resolved them
    results.add_seeds("base", [98.0, 98.4, 98.8], **data)
    results.add_seeds("motivated", [98.5, 98.8, 99.5], **data)
    results.add_seeds("alternating", [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)], **data)
    folder = results.folder / "published" / "digits"
    assert seek("compare", results.folder, "--tables", folder)[0] == 0
    return folder


def words_of(text: str) -> list[str]:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("In words"))
    return lines[start : lines.index("", start)]


def test_they_read_back_in_words(published: Path) -> None:
    code, out, _ = seek("compare", published)
    assert code == 0
    assert out.startswith("9 runs: 9 finished\n")  # the tables of groups and differences are no damaged runs
    assert words_of(out) == words_of(seek("compare", published.parents[1])[1])
    assert seek("compare", published, "--claims")[1].count("a hint that it is") == 2


def test_arms_that_the_records_do_not_tell_apart_stay_apart(results: Results) -> None:  # noqa: F811
    """The amount of a start is a setting, and no column of the records."""
    results.add_seeds("base", [98.0, 98.4, 98.8])
    for scale in (0.0, 0.3):
        results.add_seeds("alternating", [(98.6 + scale, 97.0), (98.7, 97.5), (99.4, 98.0)], pair__added_scale=scale)
    folder = results.folder / "published" / "starts"
    assert seek("compare", results.folder, "--tables", folder)[0] == 0
    own, read_back = (seek("compare", path, "--format", "markdown")[1] for path in (results.folder, folder))
    assert "added_scale=0.3" in read_back
    assert "1,000 test images" in read_back
    assert words_of(read_back.replace("**", "")) == words_of(own.replace("**", ""))
    assert str(results.folder) not in (folder / "configs.json").read_text(encoding="utf-8")
    again = results.folder / "published" / "again"
    code, _, err = seek("compare", folder, "--tables", again)
    assert code == 0, err
    assert (again / "configs.json").read_bytes() == (folder / "configs.json").read_bytes()


def test_damaged_settings_are_named(published: Path) -> None:
    path = published / "configs.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"batch_size": 64', '"batch_size": 32'), encoding="utf-8")
    code, out, err = seek("compare", published)
    assert (code, out) == (2, "")
    assert err == f"seek: error: {path} is damaged: its content does not match its sha256\n"


def test_a_report_of_them(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outline_pictures(monkeypatch)
    code, out, err = seek("report", published, "--out", tmp_path / "report.html", "--format", "json")
    assert code == 0, err
    assert json.loads(out) == {"files": [str(tmp_path / "report.html")]}
    assert "base, alternating, against base alone: " in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_counts_them_as_done(published: Path, tmp_path: Path) -> None:
    (published.parents[1] / "runs").rename(tmp_path / "elsewhere")
    code, _, err = seek("list", "runs", "--out", published.parents[1])
    assert code == 2
    assert "published findings are read when they are named" in err
    assert seek("compare", published.parents[1])[0] == 2
    code, out, err = seek("train", "--schedule", "base", "--device", "cpu", "--dry-run", "--out", published.parents[1])
    assert code == 0, err
    run, state = (line.split() for line in out.splitlines()[:2])
    assert run[1] in {row["run_id"] for row in read_epochs(published / "epochs.parquet")}  # the same run, published
    assert state[:2] == ["state", "new:"]
