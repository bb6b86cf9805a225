"""What the scripts here share: answers of `seek` as data, and a table put between the markers of a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from seekcli import files


def seek(*words: str) -> Any:
    """What a command answers with `--format json`."""
    done = subprocess.run(
        [sys.executable, "-m", "seekcli", *words, "--format", "json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def write_between(page: Path, text: str, begin: str = "<!-- measured -->", end: str = "<!-- end -->") -> None:
    """Replace what stands between the markers. Raises ValueError when the page has none."""
    before, found_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{page} has no {begin} and {end}")
    files.write_text(page, f"{before}{begin}\n{text}\n{end}{after}")
