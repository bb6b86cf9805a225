"""Where the processor has units for bf16, the first lines of `seek train` say so, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.runs import environment

TINY = ["--base", "resnet8", "--schedule", "base", "--data", "synthetic:1x8x8:3:15", "--epochs", "1"]
TINY += ["--batch-size", "4", "--device", "cpu"]
NOTE = "this CPU has bf16 units (AMX and AVX-512): --precision bf16 may be faster."


def trained(out: Path, *more: str) -> str:
    done = CliRunner().invoke(app, ["train", *TINY, "--out", str(out), *more])
    assert done.exit_code == 0, done.output
    return done.stderr


def test_bf16_is_told_of_once_and_only_where_it_may_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cpu_flags", lambda: {"avx2", "avx512_bf16", "amx_bf16"})
    assert trained(tmp_path, "--seeds", "2").count(NOTE) == 1
    assert NOTE not in trained(tmp_path)  # it is finished
    assert NOTE in trained(tmp_path, "--fresh")
    assert NOTE not in trained(tmp_path, "--precision", "bf16")
    monkeypatch.setattr(environment, "cpu_flags", lambda: {"avx2"})
    assert "bf16 units" not in trained(tmp_path, "--seed", "3")
