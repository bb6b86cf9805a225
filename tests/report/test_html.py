"""The report as a page: what is in it, in which order, that it asks for nothing, and that text of users stays text."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from outlined_pictures import outline_pictures
from run_folders import Results
from run_history import with_history
from typer.testing import CliRunner

from seekcli.analysis.cell_records import CellRecords
from seekcli.analysis.compute import front
from seekcli.cli.app import app
from seekcli.report.figures import gallery
from seekcli.report.figures.cost import accuracy_against_compute
from seekcli.report.figures.gallery import pictures_of
from seekcli.report.svg import png_bytes, svg_bytes, svg_text
from seekcli.runs.records import CLASSES, STEPS
from seekcli.runs.scan import scan_runs

ASKS = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}


TITLE = "Cats & dogs <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A folder to be read and not written to."""
    results = Results(tmp_path_factory.mktemp("results"))
    for seed in range(3):
        with_history(results.add("base", seed=seed, accuracy=97.0 + 0.1 * seed), motivated=False)
        with_history(results.add(seed=seed, accuracy=(97.5 + 0.2 * seed, 98.0)), motivated=True)
    results.add("motivated", seed=0, accuracy=98.0)
    results.add(seed=9, accuracy=None, state="failed", message="<script>alert('no')</script>")
    return results


@pytest.fixture
def folder(made: Results, tmp_path: Path) -> Results:
    """A copy of it."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return Results(tmp_path)


@pytest.fixture(scope="module")
def written(made: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the page of `made` and, under `plots`, its pictures: drawn once, which takes seconds."""
    to = tmp_path_factory.mktemp("written")
    report(made.folder, to / "report.html", "--title", TITLE, "--plots", to / "plots")
    return to


@pytest.fixture
def text(written: Path) -> str:
    return (written / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a browser would see: headings, ids, and everything that would be asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.asked: list[str] = []
        self.labels: list[str] = []
        self.scripts = 0
        self.words = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._inside.append(tag)
        self.scripts += tag == "script"
        found = dict(attributes)
        self.ids += [found["id"]] if found.get("id") else []
        self.labels += [found["aria-label"] or ""] if tag == "svg" and "aria-label" in found else []
        self.asked += [value or "" for name, value in attributes if name in ASKS]
        if tag == "h2":
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.words += data
        if "h2" in self._inside:
            self.headings[-1] += data


def report(path: Path, out: Path, *words: object) -> str:
    result = CliRunner().invoke(app, ["report", str(path), "--out", str(out), *(str(word) for word in words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return out.read_text(encoding="utf-8")


def test_a_report_is_one_page_that_asks_for_nothing(text: str) -> None:
    page = Page(text)
    assert all(one.startswith(("#", "data:")) for one in page.asked)
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert {one[1:] for one in page.asked if one.startswith("#")} <= set(page.ids)
    assert len(text) < 1_000_000


def test_findings_come_first_and_all_parts_are_there(text: str) -> None:
    page = Page(text)
    assert page.headings[0] == "Findings"
    assert page.headings[2:] == [
        "The paper's rows beside ours",
        "Settings that differ",
        "Environment",
        "Failures",
        "Commands that repeat it",
        "How to read this",
    ]
    assert TITLE in page.words
    assert [label.partition(".")[0].partition(":")[0] for label in page.labels] == [
        "Paired differences, with 95 % intervals",
        "Accuracy against training compute",
        "Learning curves",
        "When the larger model was active",
        "Share of the larger model's steps, by epoch",
        "Loss by step, shaded where the larger model took it",
        "Loss around the switches to the larger model",
        "Differences by class",
        "Where the compute went",
    ]


def test_a_table_stands_with_the_picture_that_shows_the_same(text: str) -> None:
    in_order = [
        "<span>Final test accuracy",
        "<span>Paired differences in accuracy",
        "<strong>Paired differences",
        "<span>What the seeds can show",
        "<strong>Accuracy against training compute",
        "<span>Efficiency: ",
        "<strong>Learning curves",
        "<strong>Share of the larger",
        "<span>Share of motivated steps, ",
        "<strong>Loss by step",
        "<strong>Where the compute went",
        "<span>Training FLOPs of the models alone over",
        "The paper's rows beside ours</h2>",
        "Settings that differ</h2>",
        "Environment</h2>",
        "Not counted",
        "Commands that repeat it</h2>",
    ]
    main = text[text.index("<main>") :]
    places = [main.index(words) for words in in_order]
    assert places == sorted(places), dict(zip(in_order, places, strict=True))


def test_findings_and_claims_are_the_sentences_of_compare(made: Results, text: str) -> None:
    """One source for the words: the page says no other sentence than the first screen and `--claims`."""
    page = " ".join(Page(text).words.split())
    first = CliRunner().invoke(app, ["compare", str(made.folder)]).stdout.partition("In words: ")[2]
    sentences = [line.removeprefix("- ") for line in first.partition("\n\n")[0].splitlines()]
    assert sentences[0] == "resnet20-to-32 on digits"
    assert sentences[1].startswith("base, alternating, against base alone: ")
    claims = CliRunner().invoke(app, ["compare", str(made.folder), "--claims"]).stdout.splitlines()
    verdicts = [line for line in claims if re.match(r"\d\. |- (What would|The condition|cheaper: )", line)]
    assert len(verdicts) > 6
    for line in [*sentences, *verdicts]:
        assert line.removeprefix("- ") in page


def test_every_number_of_the_tables_of_compare_is_in_the_page(made: Results, text: str) -> None:
    shown = CliRunner().invoke(app, ["compare", str(made.folder), "--format", "markdown"]).stdout
    words = " ".join(Page(text).words.split())
    cells = {cell.strip(" *") for line in shown.splitlines() if line.startswith("|") for cell in line.split("|")}
    numbers = {cell for cell in cells if re.search(r"\d", cell)}
    assert len(numbers) > 30
    assert [cell for cell in numbers if " ".join(cell.split()) not in words] == []


def test_what_follows_for_another_arm_is_folded_away_and_printed(
    folder: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline_pictures(monkeypatch)
    for seed in range(3):
        with_history(folder.add(seed=seed, motivation__k=3), motivated=True)
    text = report(folder.folder, folder.folder / "report.html")
    folded = re.findall(r'<details class="printed"><summary>(.*?)</summary>\s*<figure>', text)
    assert folded == [
        "Loss by step, shaded where the larger model took it: loss k=3 identity, seed 0",
        "Differences by class: base, loss k=3 identity - base alone",
    ]
    assert text.count("<strong>Loss by step") == 1
    assert "beforeprint" in text
    assert '<td class="indent"> base, alternating</td>' in text  # of an arm, unlike the models alone
    assert "<td>base alone</td>" in text


def test_text_of_users_stays_text(text: str) -> None:
    page = Page(text)
    assert page.scripts == 1
    assert "<script>alert('no')</script>" in page.words
    assert "<b>cat</b>" in page.words
    assert "<img" not in text


def test_the_policy_of_the_page_lets_its_own_script_run_and_no_other(text: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(None, 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"


def test_a_picture_says_its_numbers_in_words_and_on_hover(made: Results) -> None:
    comparison = made.compare()
    places = {run.run_id: run.path for run in scan_runs([made.folder])}
    pictures = {picture.name: picture for picture in pictures_of(CellRecords(comparison.cells[0], places))}
    (difference, *_) = comparison.cells[0].contrasts
    assert f"{difference.difference.mean:+.2f} [" in pictures["differences"].words
    drawn = svg_text(pictures["differences"], "x")
    assert "currentColor" in drawn
    assert svg_bytes(pictures["differences"]) is svg_bytes(pictures["differences"])  # printed once
    assert f"<title>base - base alone: {difference.difference.mean:+.2f} [" in drawn
    assert "cat" in pictures["classes"].words
    assert "+10.00" in pictures["classes"].words
    assert "base alone, where loss k=2 would have switched: " in pictures["around-switches"].words
    assert png_bytes(pictures["cost"]).startswith(b"\x89PNG")


def test_the_front_is_of_the_accuracies_that_are_drawn(results: Results) -> None:
    """As trained the larger model is far below; the file that the run writes is not."""
    again = {"test_accuracy_recalibrated_percent": {"base": 97.0, "motivated": 99.0}, "train_flops": 5e11}
    results.add_seeds("alternating", [(97.0, 60.0)] * 2, columns=again)
    results.add_seeds("base", [96.0] * 2, columns={"train_flops": 4e11})
    (cell,) = results.compare().cells
    assert [group.name for group in front(cell.groups)] == ["X-C", "X-Y-M"]
    axes = accuracy_against_compute(cell).figure.axes[0]
    assert list(axes.lines[0].get_ydata()) == [96.0, 99.0]


@pytest.mark.slow
def test_equal_runs_give_an_equal_page(made: Results, text: str, tmp_path: Path) -> None:
    """With --plots, and without."""
    assert report(made.folder, tmp_path / "report.html", "--title", TITLE) == text


def test_plots_are_written_as_png_and_svg(written: Path) -> None:
    names = sorted(path.name for path in (written / "plots").iterdir())
    assert len(names) == 2 * 9
    assert names[:2] == ["1-01-differences.png", "1-01-differences.svg"]


def test_one_run_and_published_tables_have_a_report_too(
    folder: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline_pictures(monkeypatch)
    (run, *_) = sorted(path for path in (tmp_path / "runs").iterdir() if path.name.startswith("resnet20-to-32"))
    assert "nothing to compare" in report(run, tmp_path / "one.html")
    table = folder.publish("digits", [path for path in (tmp_path / "runs").iterdir() if "_s0_" in path.name])
    assert "base, alternating" in report(table, tmp_path / "table.html")


def test_published_tables_of_steps_and_classes_have_the_pictures_of_the_folder(
    made: Results, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline_pictures(monkeypatch)
    tables = tmp_path / "tables"
    done = CliRunner().invoke(app, ["compare", str(made.folder), "--tables", str(tables)])
    assert done.exit_code == 0, done.output
    published = report(tables, tmp_path / "page.html")
    # The words of each picture have its numbers; a table has no expected share, it follows from the settings.
    labels = [label.replace("16.00% by chance", "16.62% by chance") for label in Page(text).labels]
    assert Page(published).labels == labels
    (tables / STEPS).write_bytes(b"PAR1")
    result = CliRunner().invoke(app, ["report", str(tables), "--out", str(tmp_path / "page.html")])
    assert result.exit_code == 2, result.output
    assert result.stderr.count(f"not in the pictures: {tables / STEPS} is damaged") == 1
    assert len(Page((tmp_path / "page.html").read_text(encoding="utf-8")).labels) == len(Page(text).labels) - 3


def test_of_very_many_arms_the_first_have_pictures_of_their_own_and_the_others_are_named(
    folder: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "MOST_ARMS", 1)
    with_history(folder.add(seed=0, motivation__k=3), motivated=True)
    (cell,) = folder.compare().cells
    places = {run.run_id: run.path for run in scan_runs([folder.folder])}
    drawn = pictures_of(CellRecords(cell, places))
    pictures = [one for one in drawn if one.arm is not None]
    assert [(one.name, one.arm) for one in pictures] == [
        (name, "loss k=2 identity") for name in ("loss-trace", "classes")
    ]
    (around,) = (one for one in drawn if one.name == "around-switches")
    assert "k=3" not in around.words
    note = "Not drawn, of 1 other arm: loss k=3 identity. --where chooses runs."
    assert all(one.note.endswith(note) for one in [*pictures, around])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "."], "--out . is a folder; name a file such as report.html"),
        (["--out", "report.pdf"], "--out report.pdf: the report is HTML"),
        (["--plots", "file"], "--plots file is a file; name a folder"),
        (["--out", "file/x.html"], "file is in the way: it is not a folder"),
        (["--plots", "file/new"], "file is in the way: it is not a folder"),
        (["--where", "k=9"], "k"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is(folder: Results, monkeypatch, words, said) -> None:
    monkeypatch.chdir(folder.folder)
    (folder.folder / "file").touch()
    before = sorted(folder.folder.rglob("*"))
    result = CliRunner().invoke(app, ["report", str(folder.folder), *words])
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert sorted(folder.folder.rglob("*")) == before


def test_a_folder_without_a_finished_run_has_no_report(tmp_path: Path) -> None:
    Results(tmp_path).add(accuracy=None, state="failed", message="no")
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 2
    assert "no finished run" in result.stderr
    assert not (tmp_path / "x.html").exists()


def test_half_a_table_of_a_run_is_left_out_of_the_pictures_and_named(
    folder: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline_pictures(monkeypatch)
    paths = [
        next(folder.folder.glob(f"runs/resnet20-to-32*_s{seed}_*/{name}")) for seed, name in ((1, STEPS), (2, CLASSES))
    ]
    for path in paths:
        path.write_bytes(path.read_bytes()[:100])
    out = folder.folder / "report.html"
    result = CliRunner().invoke(app, ["report", str(folder.folder), "--out", str(out)])
    assert result.exit_code == 2, result.output
    page = Page(out.read_text(encoding="utf-8"))
    for path in paths:
        note = f"not in the pictures: {path} is damaged or no parquet file"
        assert f"seek: {note}" in result.stderr
        assert note in page.words
    assert len(page.labels) == 9
