"""What `seek` shows of a warning: one note of ours, and those of other packages as Python shows them."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import seekcli
from seekcli.cli.own_warnings import show_own_as_notes


def test_a_warning_of_ours_is_a_note_and_others_are_as_they_were(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    show_own_as_notes()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ours = str(Path(seekcli.__file__).parent / "data" / "some.py")
        warnings.warn_explicit("no room;\nagain next time", UserWarning, ours, 1)
        warnings.warn_explicit("old name", DeprecationWarning, ours, 1)
        warnings.warn_explicit("theirs", UserWarning, "/some/where/torch/nn.py", 1)
    assert capsys.readouterr().err == "note: no room; again next time\n"
    assert shown == ["old name", "theirs"]
