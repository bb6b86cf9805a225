"""`seek compare` as it is typed: every format, exit codes, and a thousand runs."""

from __future__ import annotations

import csv
import io
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from run_folders import Results, results  # noqa: F401

from seekcli.cli.app import app
from seekcli.documents import read_document, write_document
from seekcli.runs import overlapped, records
from seekcli.runs.records import STEPS, read_steps, write_steps


def seek(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(results: Results) -> Path:  # noqa: F811
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.5, 98.8, 99.5])
    results.add_seeds("alternating", [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)])
    results.add(seed=9, state="failed", accuracy=None, message="non-finite loss at step 77")
    return results.folder


def test_table(folder: Path) -> None:
    code, out, err = seek(folder)
    assert (code, err) == (0, "")
    assert "10 runs: 9 finished, 1 failed" in out
    names = ("base alone", "base, alternating", "larger, alternating", "larger alone")
    for word in (*names, "98.40 ± 0.40", "ACC/F_Ratio", "1,000 test images", "adj. p"):
        assert word in out
    assert "non-finite loss at step 77" in out


def test_json_is_nothing_but_json(folder: Path) -> None:
    code, out, err = seek(folder, "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["runs_found"] == 10


def test_margin_and_effect(folder: Path) -> None:
    code, out, _ = seek(folder, "--margin", "0.5", "--effect", "1", "--format", "json")
    assert code == 0
    tree = json.loads(out)
    assert (tree["margin_points"], tree["effect_points"]) == (0.5, 1.0)
    assert {one["equivalence_margin_points"] for one in tree["cells"][0]["paired_differences"]} == {0.5}


def test_csv_keeps_its_remarks_off_stdout(folder: Path) -> None:
    code, out, err = seek(folder, "--format", "csv")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == 4
    assert "not counted, failed: " in err
    assert "non-finite loss at step 77" in err


def test_markdown(folder: Path) -> None:
    code, out, _ = seek(folder, "--format", "markdown")
    assert code == 0
    assert "| base alone | 3 | 0-2 |" in out


def test_the_first_screen_is_words(folder: Path) -> None:
    code, out, _ = seek(folder)
    assert code == 0
    assert out.splitlines()[2:4] == [
        "In words: resnet20-to-32 on digits",
        "- base, alternating, against base alone: hint, +0.50 [+0.07, +0.93] points, 3 seeds",
    ]


def test_claims_in_every_format(folder: Path) -> None:
    code, out, err = seek(folder, "--claims")
    assert (code, err) == (0, "")
    assert "1. Is the base better than base alone? a hint that it is\n" in out
    assert "5. Two models for the price of one? undecided" in out
    assert "What would decide it: 5 seeds for a true difference of 0.3 points (80 % power, corrected)." in out
    claims = json.loads(seek(folder, "--claims", "--format", "json")[1])["cells"][0]["claims"]
    verdicts = [claim["verdict"] for claim in claims]
    assert verdicts == ["a hint that it is", "a hint that it is worse", "no", "not tested", "undecided"]
    assert claims[0]["evidence"][0]["difference"]["mean_points"] == pytest.approx(0.5)
    rows = list(csv.DictReader(io.StringIO(seek(folder, "--claims", "--format", "csv")[1])))
    assert [row["question"] for row in rows] == [claim["question"] for claim in claims]
    assert "| loss k=2 identity | 3 |" in seek(folder, "--claims", "--format", "markdown")[1]
    assert r"\caption{resnet20-to-32 on digits. 1. Is the base" in seek(folder, "--claims", "--format", "latex")[1]


def test_by_in_every_format(folder: Path) -> None:
    code, out, err = seek(folder, "--by", "k")
    assert (code, err) == (0, "")
    assert "By motivation.k" in out
    assert "motivation.k=2\n base: loss k=2 identity" in out
    rows = json.loads(seek(folder, "--by", "k", "--format", "json")[1])["rows"]
    assert [(row["motivation.k"], row["group"]) for row in rows] == [(2, "X-Y-B"), (2, "X-Y-M")]
    assert len(list(csv.DictReader(io.StringIO(seek(folder, "--by", "k", "--format", "csv")[1])))) == 2
    assert "| *motivation.k=2* |" in seek(folder, "--by", "k", "--format", "markdown")[1]
    assert r"\emph{motivation.k=2}" in seek(folder, "--by", "k", "--format", "latex")[1]


def test_the_order_of_paths_changes_no_letter(folder: Path) -> None:
    runs = sorted((folder / "runs").iterdir())
    for format_ in ("table", "markdown", "json", "csv", "latex"):
        assert seek(*runs, "--format", format_) == seek(*runs[::-1], "--format", format_)


def test_results_is_the_default_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    code, out, _ = seek()
    assert code == 0
    assert "10 runs" in out


def test_single_runs_can_be_named(folder: Path) -> None:
    runs = sorted((folder / "runs").glob("resnet20_*"))
    code, out, _ = seek(*runs[:2], "--format", "json")
    assert code == 0
    assert json.loads(out)["runs_finished"] == 2


def test_where(folder: Path) -> None:
    code, out, _ = seek(folder, "--where", "seed=1", "--where", "k=2", "--format", "json")
    assert code == 0
    assert [group["seeds"] for group in json.loads(out)["cells"][0]["groups"]] == [[1]] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "sede=1"], "did you mean 'seed'"),
        (["--where", "seed"], "expected key=value"),
        (["--where", "k=9"], "no run has it; here it is 2"),
        (["--format", "xml"], "'xml'"),
        (["--margin", "0"], "--margin 0: expected accuracy points above 0"),
        (["--effect", "nan"], "--effect nan: expected accuracy points above 0"),
        (["--convention", "flops"], "for '--convention': 'flops' is not one of 'macs', 'paper'"),
        (["--convention", "paper"], "does not say how large its images are"),
        (["--paper"], "it goes with --format alone, without a path"),
        (["--paper", "--margin", "0.2"], "without a path and --margin"),
        (["--paper", "--claims"], "without a path and --claims"),
        (["--claims", "--by", "k"], "--claims and --by are two answers"),
        (["--by", "kk"], "did you mean 'k'"),
        (["--by", "seed"], "--by seed: runs are averaged over their seeds"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(folder: Path, arguments: list[str], message: str) -> None:
    code, out, err = seek(folder, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("seek: error: ")


def test_the_convention_of_the_paper_gives_its_table_8(results: Results) -> None:  # noqa: F811
    for schedule in ("base", "motivated", "alternating"):
        state_image_size(results.add(schedule, motivated_steps=64))
    code, out, err = seek(results.folder, "--convention", "paper", "--format", "json")
    assert (code, err) == (0, "")
    tree = json.loads(out)
    (cell,) = tree["cells"]
    assert tree["convention"] == "paper"
    forwards = {group["group"]: group["forward_paper_flops_per_image"] for group in cell["groups"]}
    assert forwards["X-C"] == forwards["X-Y-B"] == pytest.approx(82.82e6, rel=5e-3)
    assert forwards["Y-C"] == forwards["X-Y-M"] == pytest.approx(140.13e6, rel=5e-3)
    (arm,) = cell["arms"]
    assert forwards["X-C"] < arm["f_xy_paper_flops_per_image"] < forwards["Y-C"]
    code, out, _ = seek(results.folder, "--convention", "paper", "--format", "markdown")
    assert "forward MFLOPs" in out
    assert "in the paper's FLOPs" in out


def state_image_size(run: Path) -> None:
    path = run / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["facts"] |= {"classes": 10, "channels": 3, "image_size": 32}
    path.write_text(json.dumps(tree), encoding="utf-8")


def test_the_convention_of_the_paper_is_for_cifar_resnets(results: Results) -> None:  # noqa: F811
    state_image_size(results.add(pair__base="vit-tiny", pair__motivated="vit-small"))
    code, out, err = seek(results.folder, "--convention", "paper")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--convention paper is defined for CIFAR ResNets only" in err
    assert "has vit-tiny; leave out --convention" in err


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_path_without_runs_is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = seek(tmp_path / name)
    assert (code, out) == (2, "")
    assert name in err
    assert err.count("\n") == 1


def test_nothing_finished_is_no_error(results: Results) -> None:  # noqa: F811
    results.add(state="running", accuracy=None)
    code, out, _ = seek(results.folder)
    assert code == 0
    assert "no run has finished" in out


@pytest.mark.parametrize("seeds", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_thousand_runs(results: Results, seeds: int) -> None:  # noqa: F811
    """Seeds of 4 variants of a pair with 3 arms."""
    for seed in range(seeds):
        for lr in (0.1, 0.2, 0.3, 0.4):
            accuracy = 90 + seed % 7 / 10
            results.add("base", seed=seed, accuracy=accuracy, optimizer__lr=lr)
            results.add("motivated", seed=seed, accuracy=accuracy + 1, optimizer__lr=lr)
            for k in (2, 3, 4):
                own = {"optimizer__lr": lr, "motivation__k": k}
                results.add(seed=seed, accuracy=(accuracy + k / 10, 91.0), **own)
    code, out, _ = seek(results.folder, "--format", "json")
    assert code == 0
    tree = json.loads(out)
    assert tree["runs_finished"] == 20 * seeds
    assert len(tree["cells"]) == 4
    for cell in tree["cells"]:
        assert [group["n"] for group in cell["groups"]] == [seeds] * 8
        gains = [arm["gain_x_y_b_points"] for arm in cell["arms"]]
        assert gains == pytest.approx([0.2, 0.3, 0.4])


def test_a_file_system_that_waits_changes_no_letter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = seek(folder, "--format", "json")
    threads: set[str] = set()
    read_status = records.read_status

    def noted(*given: Any) -> records.RunStatus:
        threads.add(threading.current_thread().name.partition("_")[0])
        return read_status(*given)

    monkeypatch.setattr(overlapped, "LONG_WAIT_SECONDS", -1.0)
    monkeypatch.setattr(overlapped, "TIMED", 1)
    monkeypatch.setattr(records, "read_status", noted)
    assert seek(folder, "--format", "json") == plain
    assert threads == {"MainThread", "look"}


def half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("words", [[], ["--claims"], ["--by", "k"], ["--format", "json"], ["--format", "markdown"]])
def test_a_damaged_run_among_others_is_named_and_they_are_shown(folder: Path, words: list[str]) -> None:
    whole = seek(folder, *words)[1]
    table = half(next(folder.glob("runs/resnet20-to-32*_s1_*/epochs.parquet")))
    code, out, err = seek(folder, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"seek: not counted: {table} is damaged or no parquet file")
    assert out not in ("", whole)


def test_nothing_but_damaged_runs_is_bad_input(folder: Path) -> None:
    tables = [half(path) for path in sorted(folder.glob("runs/resnet20_*/epochs.parquet"))]
    code, out, err = seek(*(table.parent for table in tables))
    assert (code, out) == (2, "")
    assert [line.partition(" is damaged")[0] for line in err.splitlines()] == [f"seek: error: {one}" for one in tables]


def of_a_newer_seek(path: Path) -> Path:
    write_document(path, read_document(path) | {"schema_version": 99})
    return path


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_a_run_of_a_newer_seek_among_others_is_told_as_that(folder: Path, name: str) -> None:
    path = of_a_newer_seek(next(folder.glob(f"runs/resnet20-to-32*_s1_*/{name}")))
    said = f"{path} was written by a newer seek (schema 99, this one knows 1)"
    code, out, err = seek(folder, "--format", "json")
    assert (code, err) == (2, f"seek: not counted: {said}\n")
    left_out = {entry["state"]: entry["reason"] for entry in json.loads(out)["not_counted"]}
    assert left_out["newer"] == said
    code, out, err = seek(folder)
    assert (code, err) == (2, f"seek: not counted: {said}\n")
    assert "1 newer" in out.splitlines()[0]
    assert "damaged" not in out


def test_nothing_but_runs_of_a_newer_seek_is_one_line_of_bad_input(folder: Path) -> None:
    paths = [of_a_newer_seek(path) for path in sorted(folder.glob("runs/*/status.json"))]
    said = f"{paths[0]} was written by a newer seek (schema 99, this one knows 1)"
    assert seek(folder) == (2, "", f"seek: error: {said}; so were {len(paths) - 1} more of these runs\n")
    result = CliRunner().invoke(app, ["report", str(folder), "--out", str(folder / "x.html")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_half_a_table_of_steps_is_named_and_the_tables_of_the_others_are_written(folder: Path, tmp_path: Path) -> None:
    runs = sorted(folder.glob("runs/resnet20_*"))[:2]
    for run in runs:
        columns = {
            "run_id": [run.name],
            "epoch": [1],
            "step": [1],
            "role": ["base"],
            "loss": [1.0],
            "learning_rate": [0.1],
        }
        write_steps(run / STEPS, columns)
    damaged = half(runs[0] / STEPS)
    code, _, err = seek(folder, "--tables", tmp_path / "tables")
    assert code == 2
    assert err.startswith(f"seek: not in the tables: {damaged} is damaged or no parquet file")
    assert read_steps(tmp_path / "tables" / STEPS)["run_id"] == [runs[1].name]
