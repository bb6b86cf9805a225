"""Whether the larger model of a run is its base twice is said only where it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from run_folders import Results

from seekcli.report.apart import apart_table, same_model_notes


def added(results: Results, differences: list[float], usage: float | None, **changes: Any) -> None:
    for seed, difference in enumerate(differences):
        own = {
            "test_accuracy_as_trained_percent": {"base": 97.0, "motivated": 90.0},
            "test_accuracy_recalibrated_percent": {"base": 97.0, "motivated": 97.0 + difference},
            "added_blocks_usage": {"base": usage, "motivated": usage},
            "answers_differ_percent": {"base": 1.5, "motivated": 1.5},
            "base_accuracy_where_differ_percent": {"base": 40.0, "motivated": 40.0},
            "motivated_accuracy_where_differ_percent": {"base": 50.0, "motivated": 50.0},
        } | changes
        results.add(seed=seed, accuracy=(97.0, 97.0 + difference), columns=own)


EQUAL = [0.01, -0.02, 0.0, 0.02, -0.01]


@pytest.mark.parametrize(
    ("differences", "usage", "said"),
    [
        (EQUAL, 0.04, "the larger model is its base: usage 0.04, difference within 0.2 points"),
        (EQUAL, None, "the larger model is its base: difference within 0.2 points"),
        (EQUAL, 0.5, None),  # its blocks are used, whatever the accuracy
        ([0.9, -0.8, 0.1, 0.7, -0.9], 0.04, None),  # nothing is shown
        (EQUAL[:4], 0.04, None),  # under 5 seeds
    ],
)
def test_the_sentence(results: Results, differences: list[float], usage: float | None, said: str | None) -> None:
    added(results, differences, usage)
    (cell,) = results.compare().cells
    assert same_model_notes(cell) == ([f"loss k=2 identity: {said}"] if said else [])


def test_the_table(results: Results) -> None:
    added(results, EQUAL, 0.04)
    (cell,) = results.compare().cells
    table = apart_table(cell)
    assert table is not None
    assert table.rows[0].cells == ("loss k=2 identity", "0.040 ± 0.000", "1.50 ± 0.00", "40.0 ± 0.0", "50.0 ± 0.0")


def test_runs_of_earlier_versions_have_no_table(results: Results) -> None:
    results.add()
    (cell,) = results.compare().cells
    assert apart_table(cell) is None
    assert same_model_notes(cell) == []
