"""Reports of language models speak of windows, those of images of images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tiny import tiny
from tiny_text import tiny_text

import seekcli
from seekcli.engines.run import train_run
from seekcli.report.text import comparison_markdown


@pytest.mark.parametrize("kind", ["text", pytest.param("images", marks=pytest.mark.slow)])
def test_a_report_speaks_of_what_its_models_were_shown(tmp_path: Path, kind: str) -> None:
    train_run(tiny_text(tmp_path) if kind == "text" else tiny(train__epochs=1), tmp_path / "results")
    said = comparison_markdown(seekcli.compare([tmp_path / "results"]).comparison)
    own, other = ("window", "image") if kind == "text" else ("image", "window")
    assert f"test {own}s" in said
    assert f"forward of {'a' if kind == 'text' else 'an'} {own}" in said
    assert f"the run's training {own}s" in said
    assert other not in said
