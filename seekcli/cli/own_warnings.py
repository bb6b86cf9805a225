"""A warning of ours on the command line is a note; from Python it stays a warning."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TextIO

import seekcli
from seekcli.cli.output import say
from seekcli.errors import one_line

PACKAGE = str(Path(seekcli.__file__).parent)


def show_own_as_notes() -> None:
    """From here on. Those of other packages are shown as before."""
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is UserWarning and filename.startswith(PACKAGE) and file is None:
            say(f"note: {one_line(str(message))}", err=True)
        else:
            before(message, category, filename, lineno, file, line)

    warnings.showwarning = show
