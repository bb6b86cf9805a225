"""Comparisons by another metric than accuracy: which one, its direction, its margin; nothing pooled across metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_folders import Results

from seekcli.analysis.claims import Answer, claims_of
from seekcli.analysis.comparison import Cell, Comparison, Options, compare_runs
from seekcli.analysis.compute import front
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.metrics import LISTED, LOSS, METRICS, scale_of
from seekcli.errors import BadInput
from seekcli.own_loop.record import METRICS as RECORDED
from seekcli.runs.scan import scan_runs

SEEDS = range(5)


def add_losses(results: Results, accuracy: float | None = None, **facts: object) -> None:
    """Five seeds of base alone (about 2.0), of a run whose base is 0.1 better, and of larger alone (about 1.9)."""
    for seed in SEEDS:
        noise = 0.01 * seed**2
        of_accuracy = {"test_accuracy_percent": accuracy}
        pair = {"base": 1.9 + noise + 0.002 * seed, "motivated": 1.85 + noise}
        results.add("base", seed=seed, columns=of_accuracy | {"test_loss": 2.0 + noise})
        results.add(seed=seed, columns=of_accuracy | {"test_loss": pair})
        results.add("motivated", seed=seed, columns=of_accuracy | {"test_loss": 1.9 + noise + 0.002 * seed})


def compared(results: Results, **options: object) -> Comparison:
    return compare_runs(scan_runs([results.folder]), options=Options(**options))  # type: ignore[arg-type]


def primary(cell: Cell) -> Contrast:
    return next(one for one in cell.contrasts if (one.difference.left, one.difference.right) == ("X-Y-B", "X-C"))


def test_every_recorded_metric_is_known() -> None:
    assert set(RECORDED) <= set(METRICS)
    assert len(METRICS) == len(LISTED)


def test_runs_without_accuracy_are_compared_by_their_loss(results: Results) -> None:
    add_losses(results)
    (cell,) = compared(results).cells
    one = primary(cell)
    assert cell.metric == LOSS
    assert cell.x_c is not None
    assert cell.x_c.final.mean == pytest.approx(2.06)
    assert one.difference.mean == pytest.approx(-0.096)
    assert one.verdict.word == "lower (better)"
    assert (cell.scale.margin, cell.scale.effect) == (0.021, 0.031)  # 1 % and 1.5 % of 2.06, to two digits
    assert cell.test_images == 1000  # and no difference is worth one of them


def test_a_worse_loss_is_called_so(results: Results) -> None:
    for seed in SEEDS:
        results.add("base", seed=seed, columns={"test_accuracy_percent": None, "test_loss": 1.0 + 0.01 * seed})
        worse = {"test_accuracy_percent": None, "test_loss": 1.2 + 0.012 * seed}
        results.add(seed=seed, columns=worse)
    comparison = compared(results)
    (cell,) = comparison.cells
    assert primary(cell).verdict.word == "higher (worse)"
    assert claims_of(comparison, cell)[0].answer is Answer.NO


def test_claims_follow_the_direction(results: Results) -> None:
    add_losses(results)
    comparison = compared(results)
    base, larger, *_ = claims_of(comparison, comparison.cells[0])
    assert (base.answer, larger.answer) == (Answer.YES, Answer.YES)


def test_accuracy_comes_first_and_metric_chooses(results: Results) -> None:
    add_losses(results, accuracy=97.0)
    assert [cell.metric.column for cell in compared(results).cells] == ["test_accuracy_percent"]
    assert [cell.metric.column for cell in compared(results, metric="test_loss").cells] == ["test_loss"]


def test_the_paper_ratios_are_of_accuracies_alone(results: Results) -> None:
    add_losses(results)
    found = compared(results).cells[0].arms[0].efficiency
    assert (found.acc_per_flops_x_y_b, found.acc_per_flops_y_c, found.acc_f_ratio) == (None, None, None)
    assert found.ratio_remark == "undefined: of test_loss, and not of an accuracy"
    assert found.gain_x_y_b == pytest.approx(-0.096)


def test_the_front_has_the_lowest_losses(results: Results) -> None:
    add_losses(results)
    (cell,) = compared(results).cells
    assert [group.name for group in front(cell.groups)] == ["X-Y-M"]  # all cost the same here, and it is the lowest


def test_runs_of_two_metrics_are_never_pooled(results: Results) -> None:
    for seed in SEEDS:
        results.add("base", seed=seed, columns={"test_accuracy_percent": None})
        results.add(seed=seed)
    cells = compared(results).cells
    assert [(cell.metric.column, len(cell.contrasts)) for cell in cells] == [
        ("test_accuracy_percent", 1),  # larger - its own base
        ("test_loss", 0),
    ]
    with pytest.raises(BadInput, match=r"--margin: these runs .* test_accuracy_percent \(points\) and test_loss"):
        compared(results, margin=0.1)


def test_losses_in_another_unit_are_another_metric() -> None:
    assert replace(LOSS, unit="squared error") != LOSS
    assert replace(LOSS, unit="squared error").unit_key == "squared_error"


def test_an_accuracy_of_one_model_alone_is_no_reason_to_compare_losses(results: Results) -> None:
    results.add(accuracy=(98.0, None))  # type: ignore[arg-type]
    comparison = compared(results)
    assert comparison.cells == ()
    assert "without a final test accuracy" in comparison.left_out[0].reason


def test_a_metric_that_no_run_has_is_refused_with_those_that_are_there(results: Results) -> None:
    add_losses(results)
    with pytest.raises(BadInput, match="--metric test_accuracy_percent: no finished run here has it; there are test_l"):
        compared(results, metric="test_accuracy_percent")
    with pytest.raises(BadInput, match="did you mean 'test_loss'"):
        compared(results, metric="test_los")


def test_what_was_asked_for_is_taken_in_the_unit_of_the_metric() -> None:
    assert scale_of(LOSS, 2.0, 0.5, None) == scale_of(LOSS, 2.0, 0.5, 0.03)
    assert scale_of(LOSS, 2.0, 0.5, None).margin == 0.5
    assert scale_of(LOSS, 2.0, None, None).reference == 2.0
    assert scale_of(METRICS["test_r2"], 0.5, None, None).margin == 0.01
