"""`seek speculative` on tiny runs: both models of a run, beside two that were trained alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from tiny_text import tiny_text

from seekcli.engines.run import train_run
from seekcli.runs.folder import RunFolder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speculative")
    for seed in (0, 1):
        for schedule in ("base", "motivated", "alternating"):
            train_run(tiny_text(folder, seed=seed, schedule=schedule, train__batch_size=12), folder / "results")
    return folder / "results"


def test_both_models_of_a_run_are_measured_beside_models_trained_alone(results: Path) -> None:
    answer = json.loads(seek("speculative", results, "--gamma", "1,2", "--prompts", "2", "--format", "json").output)
    assert [(row["group"], row["seed"]) for row in answer["pairs"]] == [
        ("each model alone", 0),
        ("each model alone", 1),
        ("loss k=1 identity", 0),
        ("loss k=1 identity", 1),
    ]
    for row in answer["pairs"]:
        same = row["draft_run"] == row["verifier_run"]
        assert same == (row["group"] != "each model alone")
        assert 0 < row["acceptance_rate_low"] < row["acceptance_rate"] < row["acceptance_rate_high"] <= 1
        assert row["tokens"] == 8 * row["windows"]
        one, two = row["by_gamma"]
        assert one["expected_tokens_per_call"] == pytest.approx(1 + row["acceptance_rate"])
        assert 1 <= two["measured_tokens_per_call"] <= 3
        verifier = RunFolder(results / "runs" / row["verifier_run"]).status().final[-1]
        assert row["verifier_test_loss"] == verifier["test_loss"]
    alone, both = answer["groups"]
    assert alone["acceptance_rate_difference"] is None
    assert both["acceptance_rate_common_seeds"] == 2
    means = [sum(row["acceptance_rate"] for row in answer["pairs"][place : place + 2]) / 2 for place in (0, 2)]
    assert both["acceptance_rate_difference"] == pytest.approx(means[1] - means[0])


def test_the_table_says_what_was_measured(results: Path) -> None:
    shown = seek("speculative", results, "--gamma", "2", "--prompts", "0").output
    assert "gpt-2x64-to-4x64 on text:some.txt: base as draft, larger model as verifier" in shown
    assert "/ -" in shown
    assert "arXiv 2211.17192" in shown


def refused(*words: object) -> str:
    return error_of(seek("speculative", *words))


def test_bad_words_are_one_line(results: Path) -> None:
    assert "--gamma 1,x: expected draft lengths by comma" in refused(results, "--gamma", "1,x")
    assert "--gamma 0: draft lengths of 1 or more" in refused(results, "--gamma", "0")
    assert "--prompts -1: a number of test windows" in refused(results, "--prompts", "-1")
    alone = next((results / "runs").glob("gpt-2x64_*"))
    assert "there is no finished run of two language models" in refused(alone)
