"""Runs of 4214a82, the last version before the code moved into its rooms: the words of then find, resume and read them.

`results-4214a82.tar.xz` holds resnet8-to-14 on 160 digits: base, motivated, alternating with both inits, a growing run,
one with a validation split, one stopped at step 15 of 20; and an exported base.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from old_runs import COMMON, unpack
from typer.testing import CliRunner

from seekcli.analysis.comparison import compare_runs
from seekcli.cli.app import app
from seekcli.runs.scan import scan_runs

STOPPED = "resnet8-to-14_digits_loss-k1_paper_s1_1ec4aa155b"
WORDS = {
    "resnet8_digits_s0_eab6c2177c": ["--schedule", "base"],
    "resnet14_digits_s0_4fd1f5d223": ["--schedule", "motivated"],
    "resnet8-to-14_digits_loss-k1_identity_s0_1bc4cd008b": ["--k", "1", "--init", "identity"],
    "resnet8-to-14_digits_loss-k1_paper_s0_138fe1eb40": ["--k", "1", "--init", "paper"],
    "resnet8-to-14_digits_grow-0.5_identity_s0_e3785032b5": ["--schedule", "grow", "--at", "0.5"],
    "resnet8-to-14_digits_loss-k1_identity_s0_17c28abae8": ["--k", "1", "--set", "data.validation_fraction=0.2"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: the test that writes unpacks its own."""
    return unpack(tmp_path_factory.mktemp("before"), "4214a82")


def seek(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.mark.parametrize("run", WORDS)
def test_a_finished_run_is_found_by_the_words_of_then(results: Path, run: str) -> None:
    words = ["train", *COMMON, *WORDS[run], "--set", "runtime.threads=1", "--out", results]
    said = seek(*words)
    assert "this run was finished before" in said
    assert run in said
    assert {path.name for path in (results / "runs").iterdir()} == {*WORDS, STOPPED}


@pytest.mark.slow
def test_the_stopped_run_is_resumed_to_its_end(tmp_path: Path) -> None:
    results = unpack(tmp_path, "4214a82")
    seek("train", *COMMON, "--k", "1", "--init", "paper", "--seed", "1", "--progress", "plain", "--out", results)
    status = json.loads((results / "runs" / STOPPED / "status.json").read_text())
    assert (status["state"], status["steps_done"]) == ("finished", 20)


def test_all_are_compared_as_they_were(results: Path) -> None:
    comparison = compare_runs(scan_runs([results]))
    assert comparison.runs_finished == 6
    (full,) = [cell for cell in comparison.cells if len(cell.arms) > 1]
    assert [(group.arm, group.name, round(group.final.mean, 2)) for group in full.groups] == [
        (None, "X-C", 38.89),
        ("grow at=0.5 identity", "X-Y-B", 38.89),
        ("grow at=0.5 identity", "X-Y-M", 39.72),
        ("loss k=1 identity", "X-Y-B", 25.56),
        ("loss k=1 identity", "X-Y-M", 25.0),
        ("loss k=1 paper", "X-Y-B", 28.89),
        ("loss k=1 paper", "X-Y-M", 30.83),
        (None, "Y-C", 20.83),
    ]


@pytest.mark.slow
def test_finished_runs_are_exported_and_evaluated(results: Path, tmp_path: Path) -> None:
    for run in WORDS:
        seek("export", results / "runs" / run, "--to", tmp_path / run)
    card = json.loads((results.parent / "exports" / "resnet8-base.json").read_text())
    export = results.parent / "exports" / "resnet8-base"
    (found,) = json.loads(seek("evaluate", export, "--data", "digits", "--format", "json"))
    accuracy = card["result"]["test_accuracy_percent"]
    assert found["test_accuracy_percent"] == pytest.approx(accuracy, abs=0.3)  # one image, on another CPU
