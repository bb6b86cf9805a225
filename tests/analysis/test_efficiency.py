"""The paper's measures, held against its own tables and the identity that explains them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from seekcli.analysis.efficiency import efficiency, share_against_expected
from seekcli.analysis.statistics import Interval
from seekcli.method.cost_measures import mean_forward_cost


def test_first_row_of_the_papers_table_1() -> None:
    """ResNet-20/32 on CIFAR-10: 92.62, 92.83, 93.63 % at 82.82M, 92.47M, 140.13M give 2.18e-2, 1.76e-2 and 1.24."""
    found = efficiency(82.82e6, 140.13e6, 92.47e6, 92.83 - 92.62, 93.63 - 92.62, None)
    assert found.acc_per_flops_x_y_b == pytest.approx(2.18e-2, abs=5e-5)
    assert found.acc_per_flops_y_c == pytest.approx(1.76e-2, abs=5e-5)
    assert found.acc_f_ratio == pytest.approx(1.24, abs=0.01)
    assert found.gain_x_y_b == pytest.approx(0.21)
    assert found.gain_y_c == pytest.approx(1.01)
    assert found.ratio_remark is None


def test_a_loss_of_the_base_gives_a_negative_ratio_as_in_the_paper() -> None:
    """EfficientNet-B3/B4 on CIFAR-100: 80.93 -> 80.81 % at 1.82G, B4 81.08 % at 4.2G; the paper prints -6 and -100."""
    found = efficiency(1.8e9, 4.2e9, 1.82e9, 80.81 - 80.93, 81.08 - 80.93, None)
    assert found.acc_per_flops_x_y_b == pytest.approx(-6e-3)
    assert found.acc_f_ratio == pytest.approx(-96, rel=0.05)


@given(
    share=st.floats(0.001, 1.0), gain_b=st.floats(-3, 3), gain_y=st.floats(0.01, 5), f_x=st.floats(1e6, 1e9),
    factor=st.floats(1.1, 4),
)  # fmt: skip
def test_the_ratio_is_the_gain_ratio_over_the_share(
    share: float, gain_b: float, gain_y: float, f_x: float, factor: float
) -> None:
    f_y = f_x * factor
    found = efficiency(f_x, f_y, mean_forward_cost(f_x, f_y, share), gain_b, gain_y, None)
    assert found.acc_f_ratio == pytest.approx(gain_b / gain_y / share, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "remark"),
    [
        ((1e6, 2e6, 1.2e6, None, None), "no base alone (X-C)"),
        ((1e6, 2e6, 1.2e6, 1.0, None), "no larger alone (Y-C)"),
        ((1e6, 2e6, 1e6, 1.0, 2.0), "no motivated step"),
        ((1e6, 1e6, 1e6, 1.0, 2.0), "cost the same"),
        ((1e6, 2e6, 1.2e6, 1.0, 0.0), "gains nothing"),
    ],
)
def test_undefined_ratios_say_why(arguments: tuple[float, ...], remark: str) -> None:
    found = efficiency(*arguments, None)
    assert found.acc_f_ratio is None
    assert found.ratio_remark is not None
    assert found.ratio_remark.startswith("undefined: ")
    assert remark in found.ratio_remark


def test_what_is_defined_stays_when_the_ratio_is_not() -> None:
    found = efficiency(1e6, 2e6, 1.25e6, 1.0, None, None)
    assert found.acc_per_flops_x_y_b == pytest.approx(4.0)  # one point for a quarter of a MMAC
    assert found.acc_per_flops_y_c is None


@pytest.mark.parametrize("interval", [Interval(-3.0, -1.0), None])
def test_over_a_worse_larger_model_there_is_no_ratio(interval: Interval | None) -> None:
    """Two losses would make a gain of it, the larger the worse the base is."""
    found = efficiency(1e6, 2e6, 1.25e6, -1.0, -2.0, interval)
    assert found.acc_f_ratio is None
    assert found.ratio_remark == "not meaningful: larger alone (Y-C) is below base alone (X-C)"


def test_a_ratio_over_noise_is_not_meaningful() -> None:
    found = efficiency(1e6, 2e6, 1.25e6, 1.0, 0.5, Interval(-0.1, 1.1))
    assert found.acc_f_ratio is None
    assert found.ratio_remark == "not meaningful: the interval of larger alone - base alone (Y-C - X-C) holds 0"
    assert found.acc_per_flops_y_c == pytest.approx(0.5)
    assert efficiency(1e6, 2e6, 1.25e6, 1.0, 0.5, Interval(0.1, 0.9)).acc_f_ratio == pytest.approx(8.0)


@pytest.mark.parametrize(("expected", "inside"), [(0.16, True), (0.30, False), (None, None)])
def test_share_against_expected(expected: float | None, inside: bool | None) -> None:
    assert share_against_expected([(15, 100), (16, 100), (17, 100)], expected).expected_inside is inside


def test_the_interval_of_a_share_by_hand() -> None:
    """Logits of 10.5/90.5 and 20.5/80.5; t(0.975, 1) = 12.7062."""
    logits = [math.log(10.5 / 90.5), math.log(20.5 / 80.5)]
    mean, half = sum(logits) / 2, 12.7062 * abs(logits[0] - logits[1]) / 2
    found = share_against_expected([(10, 100), (20, 100)], None).observed
    assert found.mean == pytest.approx(0.15)
    assert found.interval is not None
    ends = [(101 / (1 + math.exp(-logit)) - 0.5) / 100 for logit in (mean - half, mean + half)]
    ends[0] = max(0.0, ends[0])
    assert (found.interval.low, found.interval.high) == pytest.approx(ends, rel=1e-4)


@pytest.mark.parametrize("motivated", [[0, 0, 0, 0, 1], [1, 1, 1, 1, 2]])
def test_the_interval_of_a_rare_share_holds_its_mean(motivated: list[int]) -> None:
    """The half step that keeps the logit finite is taken out again."""
    found = share_against_expected([(m, 460) for m in motivated], None).observed
    assert found.interval is not None
    assert found.mean in found.interval


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6))
def test_the_interval_of_a_share_is_one_of_shares(motivated: list[int]) -> None:
    interval = share_against_expected([(m, 50) for m in motivated], 0.1).observed.interval
    assert (interval is None) == (len(set(motivated)) == 1)
    if interval is not None:
        assert 0.0 <= interval.low < interval.high <= 1.0


def test_one_run_cannot_judge_its_share() -> None:
    assert share_against_expected([(15, 100)], 0.16).expected_inside is None
