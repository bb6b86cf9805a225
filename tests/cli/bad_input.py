"""What every refusal of `seek` has in common, however hostile the input was."""

from __future__ import annotations

import re
from functools import cache
from unittest.mock import patch

import typer.testing
from typer.testing import CliRunner, Result

from seekcli.cli.app import app
from seekcli.errors import UNSEEN

make_command = cache(typer.testing._get_command)  # a tenth of a second, each time


def seek(*words: object, charset: str = "utf-8") -> Result:
    with patch("typer.testing._get_command", make_command):
        return CliRunner(charset=charset).invoke(app, [str(word) for word in words])


def error_of(result: Result, code: int = 2) -> str:
    """The one line of the error; asserts that it is one, short, and safe for a terminal, with this exit code."""
    assert result.exit_code == code, (result.output, result.exception)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("seek: ")]
    assert line.startswith("seek: error: "), line
    assert "please report it" not in line
    assert len(line) < 1500
    assert_safe(result)
    return line.removeprefix("seek: error: ")


def assert_safe(result: Result) -> None:
    """Nothing in the output is obeyed by a terminal, and nothing is a traceback."""
    obeyed = UNSEEN.findall(re.sub("\n", "", result.output))
    assert obeyed == []
    assert "Traceback" not in result.output
