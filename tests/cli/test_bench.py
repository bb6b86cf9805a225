"""`seek bench`: a pair is timed by its own loop, and what whole runs would take follows from the times."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek

from seekcli.report.speed import RunLengths, Speed, Timing, speed_text

WORDS = ("--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:96", "--batch-size", "8", "--seconds", "0.01")
LENGTHS = RunLengths(
    epochs=3, steps=30, batch_size=8, evaluations=3, images_per_evaluation=100, expected_share=0.25
)
SPEED = Speed(
    names={"base": "resnet8", "motivated": "resnet14"},
    data="digits",
    examples="images",
    where={"device": "cpu"},
    lengths=LENGTHS,
    steps={"base": Timing((1.0, 2.0, 9.0)), "motivated": Timing((4.0,))},
    batches=Timing((0.5,)),
    evaluation={"base": Timing((0.01,)), "motivated": Timing((0.03,))},
    switch=Timing((0.2,)),
    keep=Timing((5.0,)),
    retested_images=60,
    peak_memory_bytes=1000,
    disk_bytes=2000,
)


def test_hours_are_those_of_the_median_step_evaluation_and_copy() -> None:
    seconds = {schedule: 3600 * (hours or 0) for schedule, hours in SPEED.hours.items()}
    assert seconds["base"] == pytest.approx(30 * 2.5 + (300 + 60) * 0.01)
    assert seconds["motivated"] == pytest.approx(30 * 4.5 + (300 + 60) * 0.03)
    steps = 30 * (0.5 + 0.75 * 2.0 + 0.25 * 4.0)
    assert seconds["alternating"] == pytest.approx(steps + 7.5 * 0.2 + (300 + 3 * 60) * 0.04 + 3 * 5.0)


def test_a_run_of_both_whose_share_nobody_knows_has_no_time() -> None:
    unknown = replace(SPEED, lengths=replace(LENGTHS, expected_share=None))
    assert unknown.hours["alternating"] is None
    assert unknown.hours["base"] == SPEED.hours["base"]
    assert "not known" in speed_text(unknown)


def test_what_is_measured_is_told_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seekcli.engines.speed.BLOCK_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    result = seek("bench", *WORDS, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["models"]) == ["base", "motivated"]
    for model in found["models"].values():
        step = model["training"]
        assert step["blocks"] >= 3
        assert 0 < step["seconds_per_step_min"] <= step["seconds_per_step_median"] <= step["seconds_per_step_max"]
        assert step["images_per_second_median"] == pytest.approx(8 / step["seconds_per_step_median"])
        assert model["evaluation"]["seconds_per_image_median"] > 0
    assert found["switch"]["seconds_per_switch_median"] > 0
    assert set(found["expected_hours"]) == {"base", "motivated", "alternating"}
    assert list(tmp_path.iterdir()) == []


def test_one_model_alone_is_timed_alone() -> None:
    result = seek("bench", "--model", "resnet8", *WORDS[2:])
    assert result.exit_code == 0, result.output
    assert "resnet8: training step" in result.stdout
    assert "switch" not in result.stdout
    assert "base alone" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seconds", "0"), "--seconds 0"),
        (("--seconds", "nan"), "--seconds nan"),
        (("--model", "resnet8-to-15"), "did you mean"),
        (("--set", "schedule=grow"), "alternating runs and models alone"),
        (("--set", "train.processes=2"), "there is one process"),
    ],
)
def test_what_cannot_be_timed_is_one_line(words: tuple[str, ...], said: str) -> None:
    assert said in error_of(seek("bench", *WORDS, *words))
