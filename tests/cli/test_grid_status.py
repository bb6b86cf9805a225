"""`seek grid status` says how far a grid is; `seek remove` removes what is named, and nothing that runs."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
import typer
from finished_runs import make_run
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.cli.remove import remove
from seekcli.runs.lease import Lease

GRID = '[settings]\nmodel = "resnet8-to-14"\ndata.name = "digits"\n[[arms]]\nschedule = ["base", "motivated"]\n'


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_status_counts_states_and_lists_what_is_under_way(tmp_path: Path) -> None:
    grid, out = tmp_path / "g.toml", tmp_path / "r"
    grid.write_text(GRID, encoding="utf-8")
    first = json.loads(seek("grid", "plan", grid, "--out", out, "--format", "json").stdout)[0]["run_id"]
    assert seek("grid", "status", grid, "--out", out).stdout == "2 runs: 2 new; time left not known\n"
    (out / "runs" / first).mkdir(parents=True)
    (out / "runs" / first / "epochs.parquet").write_bytes(b"half")
    found = json.loads(seek("grid", "status", grid, "--out", out, "--format", "json").stdout)
    assert found["states"] == {"damaged": 1, "new": 1}
    assert [(row["label"], row["state"]) for row in found["runs"]] == [(first, "damaged")]
    watched = seek("grid", "status", grid, "--out", out, "--watch")  # nothing runs: it ends at once
    assert watched.stdout == "2 runs: 1 damaged, 1 new; time left not known\n"


def test_what_is_named_is_removed_and_nothing_else(tmp_path: Path) -> None:
    one, other = make_run(tmp_path, seed=0), make_run(tmp_path, seed=1)
    asked = seek("remove", one.name, "--out", tmp_path)
    assert (asked.exit_code, one.exists()) == (2, True)  # nobody is there to be asked
    assert "--yes" in asked.stderr
    assert seek("remove", one.name, "--out", tmp_path, "--yes").exit_code == 0
    assert not one.exists()
    assert other.exists()


@pytest.mark.parametrize("running", [True, False])
def test_a_run_that_is_unknown_or_runs_keeps_all_from_being_removed(tmp_path: Path, running: bool) -> None:
    one, other = make_run(tmp_path, seed=0), make_run(tmp_path, seed=1)
    with Lease.acquire(other):
        name = other.name if running else f"{other.name[:-1]}x"
        result = seek("remove", one.name, name, "nothing-like-it", "--out", tmp_path, "--yes")
    assert result.exit_code == 2
    assert ("is running" if running else f"did you mean '{other.name}'") in result.stderr
    assert result.stderr.count("seek: error: ") == 2
    assert one.exists()


class Terminal(io.StringIO):
    """Somebody at a terminal, who types these lines."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "goes"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_is_asked_before_anything_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, goes: bool
) -> None:
    one, other = make_run(tmp_path, seed=0), make_run(tmp_path, seed=1)
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    remove([one.name, one.name], tmp_path)
    assert (one.exists(), other.exists()) == (not goes, True)
    asked, said = capsys.readouterr()
    assert "Remove 1 run for good? [y/N]" in asked
    assert one.name in said
    assert said.splitlines()[-1] == ("1 run removed" if goes else "nothing is removed")


def test_no_answer_at_a_terminal_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make_run(tmp_path)
    monkeypatch.setattr(sys, "stdin", Terminal(""))  # Ctrl-D
    with pytest.raises(typer.Abort):
        remove([one.name], tmp_path)
    assert one.exists()
