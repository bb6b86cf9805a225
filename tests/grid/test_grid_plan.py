"""`seek grid plan`: what differs, what it costs by what was measured, which arms are one run; without torch."""

from __future__ import annotations

import builtins
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.documents import read_document, write_document
from seekcli.grid.plan import GridPlan
from seekcli.grid.schema import read_grid
from seekcli.grid.standing import standings_of
from seekcli.runs import records

GRID = """
seeds = {seeds}
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:60"
train = {{ steps = 2, batch_size = 8 }}
runtime.device = "cpu"
[[arms]]
name = "alone"
schedule = "base"
[[arms]]
name = "alone too"
schedule = ["base", "alternating"]
motivation = {{ condition = "always", k = [2, 3] }}
"""


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The base alone of seed 0 is done."""
    folder = tmp_path_factory.mktemp("plan")
    grid = folder / "g.toml"
    grid.write_text(GRID.format(seeds=1).partition('[[arms]]\nname = "alone too"')[0], encoding="utf-8")
    assert seek("grid", "run", grid, "--out", folder / "r").exit_code == 0
    return folder / "r"


def rows_of(tmp_path: Path, results: Path, *words: str):
    grid = tmp_path / "g.toml"
    grid.write_text(GRID.format(seeds=2), encoding="utf-8")
    return json.loads(seek("grid", "plan", grid, "--out", results, "--format", "json", *words).stdout)


def test_costs_are_known_ahead_and_times_from_finished_runs_of_the_kind(tmp_path: Path, results: Path) -> None:
    rows = rows_of(tmp_path, results)
    assert [(row["state"], row["seed"]) for row in rows] == [("finished", 0), ("new", 0), ("new", 1), ("new", 1)]
    done, pair, other, _ = rows
    status = records.read_status(results / "runs" / done["run_id"])
    assert done["train_flops"] == other["train_flops"] == status.totals["train_flops"]
    assert done["hours"] == other["hours"] == pytest.approx(status.totals["epoch_seconds"] / 3600)
    size = sum(path.stat().st_size for path in (results / "runs" / done["run_id"]).rglob("*") if path.is_file())
    assert done["disk_bytes"] == other["disk_bytes"] == size
    assert pair["train_flops"] > done["train_flops"]
    assert pair["hours"] is pair["disk_bytes"] is None


def test_the_table_says_what_differs_what_is_left_and_which_arms_are_one_run(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows_of(tmp_path, results)
    said = seek("grid", "plan", tmp_path / "g.toml", "--out", results).stdout
    assert "train.steps" not in said
    assert "schedule=base;" in said
    text = " ".join(said.split())
    assert "'alone' and 'alone too' are one run in 2 cases" in text
    assert "4 combinations of 'alone too' are runs that it has already: a setting in it changes nothing there" in text
    assert " s, one run after the other (not known of 2 of 3); " in text
    assert max(map(len, said.splitlines())) <= 80


def test_the_plan_as_csv_has_a_line_for_each_point(tmp_path: Path, results: Path) -> None:
    rows = rows_of(tmp_path, results)
    text = seek("grid", "plan", tmp_path / "g.toml", "--out", results, "--format", "csv").stdout
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["run_id"] for row in found] == [row["run_id"] for row in rows]
    assert found[1]["settings"] == "schedule=alternating motivation.condition=always motivation.k=2"
    assert seek("grid", "plan", tmp_path / "g.toml", "--format", "xml").exit_code == 2


def test_half_a_table_and_a_newer_folder_are_told(tmp_path: Path, results: Path) -> None:
    import shutil

    copy = shutil.copytree(results, tmp_path / "r")
    (folder,) = (copy / "runs").iterdir()
    path = folder / records.EPOCHS
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    row = rows_of(tmp_path, copy)[0]
    assert row["state"] == "damaged"
    assert "epochs.parquet is damaged" in row["problem"]
    path.write_bytes(whole)
    write_document(folder / records.CONFIG, read_document(folder / records.CONFIG) | {"schema_version": 99})
    row, *others = rows_of(tmp_path, copy)
    assert (row["state"], {other["state"] for other in others}) == ("newer", {"new"})
    said = f"{folder / records.CONFIG} was written by a newer seek (schema 99, this one knows 1)"
    assert row["problem"] == f"{said}; a seek of that version can read it; --out DIR makes the run anew elsewhere"
    text = seek("grid", "status", tmp_path / "g.toml", "--out", copy).stdout
    assert text.startswith("4 runs: 1 newer, 3 new")
    assert row["problem"] in text
    assert "4 runs: 1 newer, 3 new" in seek("grid", "plan", tmp_path / "g.toml", "--out", copy).stdout


def test_a_grid_of_thousands_is_planned_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_text('seeds = 3\n[settings]\nmodel = "resnet20-to-32"\nmotivation.k = [1, 2]\n', encoding="utf-8")
    code = (
        "import sys\nfrom seekcli.cli.app import main\nsys.argv = ['seek', 'grid', 'plan', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 runs: 6 new" in done.stdout


def test_settings_are_resolved_once_for_all_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seekcli.grid import plan as module

    path, calls = tmp_path / "g.toml", []
    path.write_text("seeds = 50\n[[arms]]\nmotivation.k = [1, 2]\n", encoding="utf-8")
    draft = module.draft
    monkeypatch.setattr(module, "draft", lambda *words: calls.append(1) or draft(*words))
    points = GridPlan(read_grid(path), [], tmp_path).points
    assert (len(points), len(calls)) == (100, 2)
    alone = draft([("g.toml", {"seed": 49, "motivation.k": 2})], tmp_path).resolved
    assert points[-1].resolved.config == alone.config
    assert points[-1].resolved.origins == alone.origins


def test_a_finished_point_is_looked_at_by_few_files_each_opened_once(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand of them: two documents each, the ends of tables, the headers of models."""
    path = tmp_path / "g.toml"
    path.write_text(GRID.format(seeds=1), encoding="utf-8")
    plan = GridPlan(read_grid(path), [], results)
    opened: list[str] = []
    really = io.open

    def noted(name: object, *words: object, **named: object) -> object:
        opened.append(Path(str(name)).name)
        return really(name, *words, **named)  # type: ignore[arg-type, call-overload]

    for place in (builtins, io):
        monkeypatch.setattr(place, "open", noted)
    (found,) = standings_of(plan.points[:1], plan)
    monkeypatch.undo()
    assert (found.state, found.status is not None) == ("finished", True)
    files = ["base.safetensors", "classes.parquet", "config.json", "epochs.parquet", "status.json", "steps.parquet"]
    assert sorted(opened) == files
