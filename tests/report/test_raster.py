"""When the larger model was active, of all runs together: every run has its row, and what is not drawn is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_folders import Results

from seekcli.analysis.activity import StepRow, shares_by_column, steps_per_column
from seekcli.analysis.cell_records import CellRecords
from seekcli.report.figures import raster
from seekcli.report.figures.canvas import Picture
from seekcli.report.figures.gallery import pictures_of
from seekcli.report.figures.raster import runs_raster
from seekcli.runs.records import STEPS, write_steps
from seekcli.runs.scan import scan_runs


def with_steps(folder: Path, motivated: list[int], count: int = 20) -> Path:
    roles = ["motivated" if step in motivated else "base" for step in range(1, count + 1)]
    write_steps(folder / STEPS, {
        "run_id": [folder.name] * count, "epoch": [1 + step // 10 for step in range(count)],
        "step": list(range(1, count + 1)), "role": roles, "loss": [1.0] * count, "learning_rate": [0.1] * count,
    })  # fmt: skip
    return folder


def raster_of(results: Results) -> Picture:
    places = {run.run_id: run.path for run in scan_runs([results.folder])}
    (cell,) = results.compare().cells
    return next(one for one in pictures_of(CellRecords(cell, places)) if one.name == "activity")


def test_every_run_of_every_arm_has_its_row(results: Results) -> None:
    for seed in range(3):
        with_steps(results.add(seed=seed), [3, 4, 7 + seed])
        with_steps(results.add(seed=seed, motivation__k=3), [5])
    picture = raster_of(results)
    axes = picture.figure.axes[0]
    assert [one.get_text() for one in axes.get_yticklabels()] == ["seed 0", "seed 1", "seed 2"] * 2
    assert [one.get_text() for one in axes.texts] == ["loss k=2 identity", "loss k=3 identity"]
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.shape == (8, 20)  # two rows name the arms
    assert list(np.flatnonzero(drawn[2] == 1) + 1) == [3, 4, 8]  # seed 1 of k=2
    assert list(np.flatnonzero(drawn[5] == 1) + 1) == [5]
    assert (
        "loss k=2 identity, seeds 0-2: the larger model took 15.00% to 15.00% of the steps, in 2 to 2" in picture.words
    )
    run = next(results.folder.glob("runs/*k3*_s2_*")).name
    words = f"{run} (loss k=3 identity, seed 2): the larger model took 5.00% of 20 steps, in 1 turns"
    assert words in picture.hover.values()
    assert picture.note == ""


def test_of_very_many_runs_each_arm_keeps_its_first_seeds_and_the_others_are_named(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster, "MOST_ROWS", 3)
    for seed in range(3):
        with_steps(results.add(seed=seed), [3])
    for seed in range(2):
        with_steps(results.add(seed=seed, motivation__k=3), [5])
    results.add(seed=7, motivation__k=3)
    picture = raster_of(results)
    assert [one.get_text() for one in picture.figure.axes[0].get_yticklabels()] == ["seed 0", "seed 1", "seed 0"]
    assert picture.note == (
        "3 of 5 runs are drawn; not drawn: loss k=2 identity: seed 2; loss k=3 identity: seed 1. "
        "Without recorded steps: loss k=3 identity: seed 7."
    )


def test_one_run_alone_has_a_row_an_epoch(results: Results) -> None:
    with_steps(results.add(seed=4), [3, 13])
    picture = raster_of(results)
    assert picture.title.endswith("loss k=2 identity, seed 4")
    axes = picture.figure.axes[0]
    assert np.asarray(axes.images[0].get_array()).shape == (2, 10)
    shown = [tick for tick in axes.get_yticks() if 0.5 <= tick <= 2.5]
    assert shown == [1.0, 2.0]  # whole epochs


def test_a_column_of_a_long_run_is_the_share_of_its_steps() -> None:
    taken = np.zeros(1500, dtype=bool)
    taken[:4] = taken[1498] = True
    row = StepRow("arm", 0, "run", taken)
    assert steps_per_column([row]) == 3
    shares = shares_by_column(row, 3)
    assert (len(shares), shares[0], shares[1], shares[2]) == (500, 1.0, pytest.approx(1 / 3), 0.0)
    assert shares_by_column(row, 7)[-1] == pytest.approx(1 / 2)  # of the two steps that are left
    assert (row.turns, row.share) == (2, pytest.approx(5 / 1500))
    picture = runs_raster([row, StepRow("arm", 1, "other", taken[:1490])])
    assert "a column is 3 steps, the darkest has 100% of the larger model's" in picture.figure.axes[0].get_xlabel()
