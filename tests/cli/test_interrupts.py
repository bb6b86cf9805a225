"""Ctrl-C at any time before a run has begun: exit code 130 and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import error_of, seek

# A Ctrl-C comes while this module is imported.
IMPORTED = """
import os, signal, sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted())
sys.argv = ["seek", "list", "models"]
from seekcli.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["seekcli.cli.app", "typer", "seekcli.models.catalog"])
def test_ctrl_c_during_imports_is_no_traceback(name: str) -> None:
    code = IMPORTED.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.strip(), done.stdout) == (130, "seek: error: interrupted", "")


def test_a_library_that_turns_ctrl_c_into_an_error_of_its_own_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(*arguments: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy failed to import") from None

    monkeypatch.setattr("seekcli.runs.scan.scan_runs", imported)
    before = signal.getsignal(signal.SIGINT)
    assert error_of(seek("list", "runs"), code=130) == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_shell_that_ignores_ctrl_c_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert seek("list", "models").exit_code == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
