"""Which k is chosen from runs over folds, and what is said of the margin."""

from __future__ import annotations

import itertools

import pytest
from scipy import stats

from seekcli.analysis.tuning import ONE_SE, choose_k
from seekcli.runs.records import RunStatus


def run(k, fold, accuracy, motivated_steps=20, **images):
    rows = [
        {"role": role, "model": "m", "validation_accuracy_percent": value, "forward_macs_per_image": macs}
        for role, value, macs in (("base", accuracy, 1e6), ("motivated", 99.9 - k, 2e6))
    ]
    totals = {"base_steps": 100 - motivated_steps, "motivated_steps": motivated_steps, **images}
    return RunStatus(
        run_id=f"k{k}-fold{fold}",
        state="finished",
        epochs_done=1,
        epochs=1,
        steps_done=100,
        steps_per_epoch=100,
        final=rows,
        totals=totals,
        expected_share=1 / (k + 1),
        models={},
        folds=3,
        fold=fold,
    )


def chosen(accuracies, rule="best", steps_by_k=None, **changes):
    """Accuracies of the base model by k, a list over folds each."""
    own = {k: {"motivated_steps": steps} for k, steps in (steps_by_k or {}).items()}
    return choose_k(
        {
            k: {fold: run(k, fold, a, **(changes | own.get(k, {}))) for fold, a in enumerate(values)}
            for k, values in accuracies.items()
        },
        rule,
    )


def test_the_best_mean_wins_and_the_margin_is_paired_over_folds():
    accuracies = {2: [90.0, 80.0, 70.0], 3: [92.0, 81.5, 71.0], 4: [95.0, 60.0, 60.0]}
    found = chosen(accuracies)
    assert (found.k, found.runner_up) == (3, 2)
    assert found.margin.mean == pytest.approx(1.5)
    assert found.margin.p_value == pytest.approx(stats.ttest_rel(accuracies[3], accuracies[2]).pvalue, rel=1e-9)
    low, high = stats.ttest_rel(accuracies[3], accuracies[2]).confidence_interval()
    assert (found.margin.interval.low, found.margin.interval.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.margin.p_value < 0.05) == found.difference_shown


def test_noise_is_no_difference():
    found = chosen({2: [90.0, 80.0, 70.0], 3: [80.0, 91.0, 70.0]})
    assert found.k == 3
    assert found.margin.p_value > 0.05
    assert not found.difference_shown
    assert chosen({2: [90.0, 80.0, 70.0], 3: [93.0, 83.1, 72.9]}).difference_shown


def test_a_tie_goes_to_the_smaller_k_in_whatever_order_they_come():
    thirds = [100 / 3, 200 / 3, 50.0]
    for order in itertools.permutations([5, 2, 3]):
        found = chosen(dict.fromkeys(order, thirds))
        assert (found.k, found.runner_up, found.margin.mean, found.margin.p_value) == (2, 3, 0.0, None)
    # equal but for the rounding of a mean
    found = chosen({4: [0.1 + 0.2, 0.3], 3: [0.3, 0.3 + 1e-13]})
    assert found.k == 3
    assert chosen({2: [50.0, 50.0], 3: [51.0, 49.0], 4: [10.0, 10.0]}).k == 2


def test_only_the_base_model_decides():
    # the motivated model of k=2 is the better one in every run
    assert chosen({2: [50.0, 50.0], 3: [50.1, 50.1]}).k == 3


def test_share_and_cost_of_each_k():
    result = chosen({2: [50.0, 60.0]}, motivated_steps=25).results[0]
    assert result.share.mean == 0.25
    assert result.f_xy_macs_per_image == 1.25e6  # by steps: these totals know no images
    by_images = {"base_images": 4000, "motivated_images": 1000}
    result = chosen({2: [50.0, 60.0]}, motivated_steps=25, **by_images).results[0]
    assert (result.share.mean, result.f_xy_macs_per_image) == (0.25, 1.2e6)
    assert result.expected_share == pytest.approx(1 / 3)
    assert (result.accuracy.mean, result.accuracy.n) == (55.0, 2)
    assert result.accuracy.sd == pytest.approx(50**0.5)
    assert result.run_ids == ("k2-fold0", "k2-fold1")


def test_one_value_of_k_has_no_runner_up():
    found = chosen({4: [1.0, 2.0]})
    assert (found.k, found.runner_up, found.margin, found.difference_shown) == (4, None, None, False)


def test_a_run_without_validation_is_an_error():
    with pytest.raises(ValueError, match="k2-fold1 has no validation accuracy"):
        chosen({2: [50.0, None]})


# k = 3 is the best. Paired by fold, k = 4 is 0.5 below it with a standard error of 0.5, k = 2 is 1.0 below with 0.577,
# and k = 5 is 2.0 below in every fold.
FOUR = {2: [89.0, 78.0, 70.0], 3: [90.0, 80.0, 70.0], 4: [90.0, 78.5, 70.0], 5: [88.0, 78.0, 68.0]}
STEPS = {2: 16, 3: 4, 4: 1, 5: 0}


def test_the_k_within_one_standard_error_are_paired_by_fold():
    found = chosen(FOUR, steps_by_k=STEPS)
    assert found.k == 3
    assert [(one.k, one.share.mean) for one in found.near_best] == [(4, 0.01)]


def test_the_one_standard_error_rule_takes_the_fewest_motivated_steps():
    found = chosen(FOUR, ONE_SE, STEPS)
    assert (found.k, found.best.k, found.runner_up, found.rule) == (4, 3, 4, ONE_SE)
    # by the share that was observed, not by k
    assert chosen(FOUR, ONE_SE, STEPS | {4: 5}).k == 3


def test_one_fold_has_no_standard_error():
    found = chosen({2: [90.0], 3: [89.9], 4: [90.0]}, ONE_SE, {2: 16, 3: 4, 4: 1})
    assert [one.k for one in found.near_best] == [4]
    assert found.k == 4
