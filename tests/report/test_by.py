"""`--by`: arms sorted by the value of a setting, with the words of the whole report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.by import parse_by, parts_by
from seekcli.errors import BadInput
from seekcli.report.by import by_rows, by_table

if TYPE_CHECKING:
    from run_folders import Results


@pytest.fixture
def many(results: Results) -> Results:
    for lr in (0.1, 0.02):
        results.add_seeds("base", [97.0, 97.1, 97.2], optimizer__lr=lr)
        results.add_seeds("motivated", [98.0, 98.3, 98.2], optimizer__lr=lr)
        for k in (10, 3):
            accuracies = [(96.0 + k, 96.0), (97.5, 97.0), (98.0, 97.0)]
            results.add_seeds("alternating", accuracies, motivation__k=k, optimizer__lr=lr)
    return results


def test_values_are_in_the_order_of_their_size(many: Results) -> None:
    parts = parts_by(many.compare(), parse_by(["k"]))
    assert [part.values for part in parts] == [(("motivation.k", 3),), (("motivation.k", 10),)]
    rows = [row.cells[0] for row in by_table(parts).rows]
    assert rows == [
        "motivation.k=3",
        " base: optimizer.lr=0.02, loss k=3 identity",
        " larger: optimizer.lr=0.02, loss k=3 identity",
        " base: optimizer.lr=0.1, loss k=3 identity",
        " larger: optimizer.lr=0.1, loss k=3 identity",
        "motivation.k=10",
        " base: optimizer.lr=0.02, loss k=10 identity",
        " larger: optimizer.lr=0.02, loss k=10 identity",
        " base: optimizer.lr=0.1, loss k=10 identity",
        " larger: optimizer.lr=0.1, loss k=10 identity",
    ]


def test_settings_of_the_baselines_and_several_keys(many: Results) -> None:
    parts = parts_by(many.compare(), parse_by(["lr", "motivation.k", "lr"]))
    assert [tuple(value for _, value in part.values) for part in parts] == [(0.02, 3), (0.02, 10), (0.1, 3), (0.1, 10)]


def test_words_and_numbers_are_those_of_the_report(many: Results) -> None:
    comparison = many.compare()
    own = {
        (one.arm, one.difference.left): one.verdict
        for one in comparison.cells[0].contrasts
        if one.difference.right in ("X-C", "Y-C")
    }
    rows = [row for row in by_rows(parts_by(comparison, ["motivation.k"])) if "0.02" in row["settings_worth_naming"]]
    for row in rows:
        verdict = own.get((row["arm"], row["group"]))
        if verdict is not None and verdict.word is not None:
            assert row["statement"] == verdict.word
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("words", "said"), [(["kk"], "unknown --by 'kk'"), (["seed"], "--by seed: runs are averaged over their seeds")]
)
def test_what_cannot_be_sorted_by(words: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        parse_by(words)


def test_baselines_alone_are_not_sorted(results: Results) -> None:
    results.add("base")
    with pytest.raises(BadInput, match="no finished run of both models"):
        parts_by(results.compare(), ["motivation.k"])
