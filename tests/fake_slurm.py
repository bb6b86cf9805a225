"""Commands that look like Slurm's, first on PATH, and a grid to submit to them. No Slurm is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app

GRID = """
seeds = 4
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:60"
train = { steps = 1, batch_size = 16 }
[[arms]]
schedule = "base"
"""
# `srun` is asked for, and never called; `scancel` keeps its words in a file beside it.
ALWAYS = {"srun": "#!/bin/sh\n", "scancel": '#!/bin/sh\necho "$@" >> "$(dirname "$0")/cancelled"\n'}


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def write_grid(folder: Path, text: str) -> Path:
    path = folder / "g.toml"
    path.write_text(text, encoding="utf-8")
    return path


def put_on_path(folder: Path, commands: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the commands, and those that are always there, into a new folder. Returns it."""
    folder.mkdir()
    for name, text in (ALWAYS | dict(commands)).items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder
