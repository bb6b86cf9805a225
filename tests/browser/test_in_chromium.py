"""A report in a real browser: what it logs, what it asks for, how wide it is. "not run" where there is no chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from run_folders import Results
from typer.testing import CliRunner

from seekcli.cli.app import app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# What a chromium asks for on its own account: updates, dictionaries.
OWN_TRAFFIC = ("google", "gvt1.com", "chromium.org")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="not run: no chromium")]

# Appended to a copy of the page, whose own policy would refuse it: says how wide the page is, and what sorting did.
PROBE = """<script>
const button = document.querySelector("section > .wide > table.sortable").querySelectorAll("thead button")[3];
button.click();
const rows = Array.from(button.closest("table").tBodies[0].rows, (row) => row.cells[3].textContent);
const width = (one) => one.getBoundingClientRect().width;
const pictures = Array.from(document.querySelectorAll("figure"), width);
const drawings = Array.from(document.querySelectorAll("figure svg"), width);
const wide = document.documentElement.scrollWidth;
document.title = JSON.stringify({wide, window: innerWidth, rows, pictures, drawings});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    results = Results(folder)
    for seed in range(3):
        results.add("base", seed=seed, accuracy=97.0 + 0.1 * seed)
        results.add(seed=seed, accuracy=(97.5 + 0.2 * seed, 98.0))
    result = CliRunner().invoke(app, ["report", str(folder), "--out", str(folder / "report.html")])
    assert result.exit_code == 0, result.output
    return folder / "report.html"


def chromium(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    words = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *flags]
    return subprocess.run([*words, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        (390, True),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in ((390, False), (1280, True), (1280, False))),
    ],
)
def test_nothing_is_logged_and_nothing_asked_for(page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    log = tmp_path / "net.json"
    shot = tmp_path / "shot.png"
    done = chromium(page, f"--window-size={width},4000", scheme, f"--log-net-log={log}", f"--screenshot={shot}")
    assert "CONSOLE" not in done.stderr
    asked = set(re.findall(r'"url":"([^"]*)"', log.read_text(encoding="utf-8", errors="replace")))
    asked = {url for url in asked if url.startswith(("http", "ws"))}
    assert [url for url in asked if not any(own in url for own in OWN_TRAFFIC)] == []
    assert shot.stat().st_size > 10_000


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 500])
def test_the_page_is_no_wider_than_the_window_and_tables_sort(page: Path, tmp_path: Path, width: int) -> None:
    """500 is the narrowest window that a headless chromium opens."""
    text = page.read_text(encoding="utf-8")
    copy = tmp_path / "copy.html"
    without_policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    copy.write_text(without_policy.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    done = chromium(copy, f"--window-size={width},2000", "--dump-dom")
    (title,) = re.findall(r"<title>(\{.*?\})</title>", done.stdout)
    found = json.loads(title)
    assert found["wide"] <= found["window"]
    assert all(0 < one <= found["window"] for one in found["pictures"])
    assert min(found["drawings"]) >= 600  # or its words are too small: on a phone it is moved sideways in its box
    accuracies = [float(row.split(" ")[0]) for row in found["rows"]]
    assert len(accuracies) == 3
    assert accuracies == sorted(accuracies)
