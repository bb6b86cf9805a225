"""What a user sees while a run trains: each event drawn live, as plain lines, or as JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from seekcli.cli.epoch_line import epoch_line
from seekcli.cli.progress import JsonProgress, PlainProgress, RichProgress
from seekcli.train.progress import RunFacts

FACTS = RunFacts(
    run_id="run", run_dir="results/runs/run", schedule="alternating",
    models={"base": "resnet20", "motivated": "resnet32"}, epochs=2, steps=6, steps_per_epoch=3, steps_done=0,
    expected_share=0.16, coverage=1.0,
)  # fmt: skip
ROW = {
    "epoch": 1, "train_loss": 0.5, "base_steps": 2, "motivated_steps": 1, "switches": 2, "images_per_second": 100.0,
    "epoch_seconds": 1.0,
}  # fmt: skip
ROWS = [
    ROW | {"role": "base", "test_accuracy_percent": 91.0, "validation_accuracy_percent": None},
    ROW | {"role": "motivated", "test_accuracy_percent": 89.5, "validation_accuracy_percent": None},
]


@pytest.fixture
def live():
    """A live display on a terminal of 80 columns that is never refreshed by the clock, and what it drew so far."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, legacy_windows=False)
    progress = RichProgress(console)
    progress.live.auto_refresh = False
    yield progress
    progress.ended()


def drawn(progress):
    """The lines of the live part as they stand now."""
    console = Console(file=io.StringIO(), width=80)
    console.print(progress.live.get_renderable())
    return console.file.getvalue().rstrip("\n").splitlines()


def test_the_live_lines_say_who_trains_and_how_far_it_is(live):
    live.started(FACTS)
    live.stepped(1, 1, "base", 1.25, 64)
    bar, words = drawn(live)
    assert bar.startswith("epoch 1/2 ")
    assert " 17% " in bar
    assert "images/s" in bar
    assert words == "training resnet20 (base), loss 1.250; share 0.000"
    live.stepped(1, 2, "motivated", 1.25, 64)
    assert drawn(live)[1] == "training resnet32 (motivated), loss 1.250; share 0.500"


def test_the_live_share_of_a_growing_run_is_of_its_updates(live):
    live.started(replace(FACTS, schedule="grow"))
    live.stepped(1, 1, "base", 1.25, 64)
    for step in (2, 3):  # each an update of either model
        live.stepped(1, step, "motivated", 1.25, 128)
    assert drawn(live)[1].endswith("share 0.400")


def test_the_accuracies_of_the_last_epoch_stay_in_sight(live):
    live.started(FACTS)
    live.evaluating("motivated", "test", 500, 10_000)
    assert drawn(live)[1] == "evaluating resnet32 (motivated): 500 of 10000 test images"
    live.epoch_done(ROWS)
    live.stepped(2, 4, "base", 1.0, 64)
    # A terminal of 80 columns cuts the line off; the text itself is whole.
    assert live.line.plain.endswith("; base test 91.00 %, motivated test 89.50 %")
    assert all(len(line) <= 80 for line in drawn(live))
    assert "epoch 1/2  base 0.5000 91.00 %  larger 0.5000 89.50 %  share 0.333  1.0 s" in live.console.file.getvalue()


SLOW = {"epoch": 100, "images_per_second": 12345.6, "epoch_seconds": 1234.5, "switches": 1234}


@pytest.mark.parametrize("width", [80, 100, 110, 200])
@pytest.mark.parametrize("validation", [None, 88.25])
def test_the_line_of_an_epoch_fits_the_width_and_says_more_where_there_is_room(width, validation):
    rows = [row | SLOW | {"validation_accuracy_percent": validation} for row in ROWS]
    line = epoch_line(rows, 300, width)
    assert len(line) <= width
    assert line.startswith("epoch 100/300  base 0.5000 91.00 ")
    assert ("images/s" in line) == (width >= (110 if validation is None else 120))
    assert ("switches" in line) == (width == 200)
    alone = epoch_line([rows[1]], 300, width)
    assert alone.startswith("epoch 100/300  larger 0.5000 89.50 ")
    assert "12346 images/s  1234.5 s" in alone
    assert len(alone) <= 80


def test_numbers_are_never_cut_and_what_was_not_measured_is_a_dash():
    assert epoch_line(ROWS, 300, 40) == "epoch   1/300  base 0.5000 91.00 %  larger 0.5000 89.50 %"
    idle = ROWS[1] | {"train_loss": None, "test_accuracy_percent": None}
    assert "larger - -  share" in epoch_line([ROWS[0], idle], 2, 80)
    fold = ROWS[1] | {"test_accuracy_percent": None, "validation_accuracy_percent": 88.25}
    assert "larger 0.5000 - / 88.25 %" in epoch_line([ROWS[0], fold], 2, 80)


def test_the_decoding_of_image_files_has_a_bar_of_its_own(live):
    live.decoding(64, 256)
    bar, words = drawn(live)
    assert bar.startswith("decoding images ")
    assert " 25% " in bar
    assert "kept for the next time" in words
    live.decoding(256, 256)
    live.started(FACTS)
    assert [line.split()[0] for line in drawn(live)] == ["starting"]


def test_an_end_before_the_start_takes_the_display_away(live):
    """A broken image ends a run while its files are decoded."""
    live.decoding(64, 256)
    assert live.live.is_started
    live.ended()
    assert not live.live.is_started
    live.ended()  # a second time is fine


def test_plain_lines_name_the_decoding_once(capsys):
    progress = PlainProgress()
    for done in (64, 128, 200):
        progress.decoding(done, 200)
    assert capsys.readouterr().out == "decoded 200 image files; they are kept for the next time\n"


def test_json_lines_have_one_event_for_the_decoding(capsys):
    progress = JsonProgress()
    for done in (64, 128, 200):
        progress.decoding(done, 200)
    assert json.loads(capsys.readouterr().out) == {"event": "decoded", "images": 200}


def test_json_lines_hold_no_infinities(capsys):
    JsonProgress().epoch_done([ROWS[0] | {"test_loss": float("inf"), "train_loss": 0.5}])
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["test_loss"], row["train_loss"]) == (None, 0.5)
