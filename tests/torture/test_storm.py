"""The storm's part of the tests: fixed cases of each kind against real processes; `make torture` has the rest.

One test and not one a case: it makes the runs that it disturbs once, and whatever did not hold is told at its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from torture import KINDS

pytestmark = pytest.mark.storm
TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_what_is_disturbed_goes_on_or_is_told_of(tmp_path: Path) -> None:
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "torture.fixed_cases", tmp_path], cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_page_tells_of_every_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "robustness.md").read_text(encoding="utf-8")
    assert [line.split("|")[1].strip() for line in page.partition("| kind |")[2].splitlines()[2:11]] == list(KINDS)
