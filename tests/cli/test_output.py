"""Output where not every character can be shown: plain forms of our own ones, names of files written out."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import seek
from run_folders import Results

from seekcli.cli.output import never_refuse_a_character


def test_characters_that_an_output_cannot_hold_have_a_plain_form(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(shown, "ascii", errors="strict"))
    never_refuse_a_character()
    sys.stdout.write("97.4 ± 0.3, 8×8, caf\u00e9, \udce9\n")
    sys.stdout.flush()
    assert shown.getvalue() == b"97.4 +- 0.3, 8x8, caf\\xe9, \\udce9\n"


@pytest.mark.parametrize("words", [(), ("--format", "json"), ("--format", "markdown"), ("--format", "csv")])
def test_a_comparison_in_ascii(words: tuple[str, ...], tmp_path: Path) -> None:
    for seed in range(2):
        Results(tmp_path).add(seed=seed)
    shown = seek("compare", tmp_path, *words, charset="ascii")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.isascii()
    assert "\\xb1" not in shown.stdout
