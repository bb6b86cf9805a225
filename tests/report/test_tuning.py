"""A search for k as a reader meets it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from seekcli.analysis.statistics import paired_difference, sample
from seekcli.analysis.tuning import KResult, Search
from seekcli.report.tuning import as_data, search_text


def result(k, accuracies, expected=0.1667):
    by_fold = dict(enumerate(accuracies))
    ids = tuple(f"run-k{k}-{fold}" for fold in by_fold)
    return KResult(k, ids, by_fold, sample(accuracies), sample([0.15] * len(accuracies)), expected, 1.5e6)


def search(left, right):
    results = (result(2, left), result(3, right, None))
    margin = paired_difference("k=3", "k=2", results[1].accuracy_by_fold, results[0].accuracy_by_fold)
    return Search(3, results, 2, margin)


def test_the_table_shows_every_k_and_marks_the_chosen_one():
    lines = search_text(search([90.0, 91.0, 89.5], [92.0, 93.1, 91.4])).splitlines()
    assert lines[0].split() == ["k", "validation", "accuracy", "sd", "folds", "share", "expected", "forward", "MMACs"]
    assert lines[1].split() == ["2", "90.17", "%", "0.76", "3", "0.1500", "0.1667", "1.500"]
    assert lines[2].split() == ["3", "92.17", "%", "0.86", "3", "0.1500", "-", "1.500", "chosen"]
    assert "k = 3 is chosen: +2.00 points over k = 2, paired 95 % interval [+1.75, +2.25], p = 0.001" in lines


def test_no_difference_is_said():
    assert "no difference shown" in search_text(search([90.0, 80.0, 70.0], [80.0, 91.0, 70.0]))
    assert "no difference shown" not in search_text(search([90.0, 91.0, 89.5], [92.0, 93.1, 91.4]))
    same = search_text(search([90.0, 91.0], [90.0, 91.0]))
    assert "no difference shown, the folds agree exactly" in same
    assert "noise between folds is unknown" in search_text(search([90.0, 91.0], [91.0, 92.0]))
    alone = search_text(Search(2, (result(2, [90.0, 91.0]),), None, None))
    assert "k = 2 is chosen: no other value was tried" in alone


def test_the_data_is_unrounded_json():
    found = search([90.0, 91.0, 89.5], [92.0, 93.1, 91.4])
    data = json.loads(json.dumps(as_data(found), allow_nan=False))
    assert (data["k"], data["runner_up_k"], data["difference_shown"]) == (3, 2, True)
    assert data["margin"]["mean_points"] == found.margin.mean
    assert data["margin"]["folds"] == 3
    assert [row["validation_accuracy_percent_by_fold"] for row in data["by_k"]] == [
        [90.0, 91.0, 89.5],
        [92.0, 93.1, 91.4],
    ]
    assert as_data(Search(2, (result(2, [90.0]),), None, None))["margin"] is None


def test_the_k_that_do_as_well_are_named_with_their_shares():
    found = search([90.0, 91.0, 89.5], [92.0, 93.1, 91.4])
    assert "within one standard error of the best, k = 3, paired by fold: no other k" in search_text(found)
    near = replace(found, near_best=(found.results[0],))
    line = "within one standard error of the best, k = 3, paired by fold: k = 2 (share 0.1500)"
    assert line in search_text(near)
    assert as_data(near)["within_one_standard_error"] == [{"k": 2, "share_mean": pytest.approx(0.15)}]
    cheaper = replace(near, k=2, rule="one-se")
    words = "k = 2 is chosen: the fewest motivated steps within one standard error of the best, k = 3"
    assert words in search_text(cheaper)
    assert (as_data(cheaper)["k"], as_data(cheaper)["best_k"], as_data(cheaper)["rule"]) == (2, 3, "one-se")
