"""What a comparison by loss reads like: its unit and direction everywhere, no accuracy anywhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from outlined_pictures import outline_pictures
from run_folders import Results

from seekcli.analysis.by import parts_by
from seekcli.analysis.comparison import Comparison
from seekcli.errors import BadInput
from seekcli.report import by, claims, in_words, text
from seekcli.report.write import write_report
from seekcli.runs.scan import scan_runs


@pytest.fixture
def losses(results: Results) -> Results:
    for seed in range(5):
        noise = 0.01 * seed**2
        for schedule, shift in (("base", 0.0), ("alternating", -0.1 + 0.002 * seed), ("motivated", -0.05)):
            columns = {"test_accuracy_percent": None, "test_loss": 2.0 + noise + shift}
            results.add(schedule, seed=seed, columns=columns)
    return results


@pytest.fixture
def comparison(losses: Results) -> Comparison:
    return losses.compare()


def test_markdown_has_the_unit_and_no_accuracy(comparison: Comparison) -> None:
    shown = text.comparison_markdown(comparison)
    assert "compared by test_loss, lower is better; 1,000 test images" in shown
    assert "Paired differences in test loss, nats, over 5 common seeds" in shown
    assert "lower (better)" in shown
    assert "counts as equivalent: within 0.021 nats, 1.0% of the mean of base alone (2.06)" in shown
    assert "Test loss is that of the last epoch, of the models as they are written; lower is better, nats." in shown
    assert [word for word in ("points", "ccuracy", "ACC", "as trained") if word in shown] == []


def test_sentences(comparison: Comparison) -> None:
    sentence = in_words.sentences(comparison.cells[0])[0]
    assert sentence.startswith("base, alternating, against base alone: lower (better), -0.0960 [-0.0999, -0.0921] nats")


def test_json_and_csv_name_the_metric(comparison: Comparison) -> None:
    data = json.loads(text.comparison_json(comparison))
    (cell,) = data["cells"]
    assert (data["metric"], cell["metric"]) == ("test_loss", "test_loss")
    assert cell["groups"][0]["test_loss_mean"] == pytest.approx(2.06)
    difference = cell["paired_differences"][0]
    assert (difference["mean_nats"], difference["accuracy"]) == (pytest.approx(-0.096), None)
    assert "test_loss_mean" in text.comparison_csv(comparison).splitlines()[0].split(",")


def test_claims_and_by(comparison: Comparison) -> None:
    decision = claims.claims_data(comparison)["cells"][0]["claims"][0]["evidence"][0]["decision"]
    assert decision["effect_nats"] == 0.031
    assert "whose base is" not in " ".join(claims.legend(comparison))
    assert "one arm's base is better and none is worse" in claims.legend(comparison)[0]
    table = by.by_table(parts_by(comparison, ["motivation.k"]))
    assert [column.header for column in table.columns[2:4]] == ["test loss", "nats [95% interval]"]


def test_runs_of_several_metrics(losses: Results) -> None:
    """Each cell in its unit; one table over all of them is refused."""
    losses.add_seeds("alternating", [97.0, 98.0], train__epochs=3)
    comparison = losses.compare()
    first, *rows = csv.reader(text.comparison_csv(comparison).splitlines())
    assert {len(row) for row in rows} == {len(first)}
    assert json.loads(text.comparison_json(comparison))["metric"] is None
    with pytest.raises(BadInput, match=r"--by motivation\.k: these runs are compared by"):
        parts_by(comparison, ["motivation.k"])


def test_the_page(
    losses: Results, comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline_pictures(monkeypatch)
    write_report(comparison, scan_runs([losses.folder]), tmp_path / "r.html", None, "Losses")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Test loss against training compute" in page
    assert "lower (better)" in page
