"""Numbers as people read them."""

from __future__ import annotations

import pytest

from seekcli.analysis.power import Decision
from seekcli.analysis.statistics import Interval, paired_difference, sample
from seekcli.report import wording
from seekcli.report.claims import seeds_words


def test_mean_and_sd() -> None:
    assert wording.mean_and_sd(sample([98.0, 99.0])) == "98.50 ± 0.71"
    assert wording.mean_and_sd(sample([98.0])) == "98.00 ± n/a"


def test_points_with_interval() -> None:
    found = paired_difference("A", "B", {0: 1.0, 1: 3.0}, {0: 0.0, 1: 0.0})
    assert found is not None
    assert wording.points_with_interval(found) == "+2.00 [-10.71, +14.71]"
    alone = paired_difference("A", "B", {0: 1.0}, {0: 2.5})
    assert alone is not None
    assert wording.points_with_interval(alone) == "-1.50 [n/a]"


@pytest.mark.parametrize(("value", "shown"), [(None, "n/a"), (0.0004, "<0.001"), (0.0416, "0.042"), (1.0, "1.000")])
def test_p_value(value: float | None, shown: str) -> None:
    assert wording.p_value(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "undefined"),
        (0.0218, "0.0218"),
        (-45.277, "-45.3"),
        (12345.6, "12,346"),
        (1.5e-7, "1.5e-07"),
        (-0.0, "0"),
    ],
)
def test_significant(value: float | None, shown: str) -> None:
    assert wording.significant(value) == shown


@pytest.mark.parametrize(("seeds", "shown"), [((0, 1, 2), "0-2"), ((0,), "0"), ((0, 1, 5), "0-1,5"), ((7, 3), "3,7")])
def test_seed_list(seeds: tuple[int, ...], shown: str) -> None:
    assert wording.seed_list(seeds) == shown


@pytest.mark.parametrize(
    ("values", "prefix"), [([40.8e6, 1e3], "M"), ([3.8e9], "G"), ([12.0], ""), ([], ""), ([2e15], "P")]
)
def test_prefix(values: list[float], prefix: str) -> None:
    assert wording.prefix_for(values)[0] == prefix


@pytest.mark.parametrize(("value", "shown"), [(2.5e6, "2.50"), (0.0, "0.00"), (1.234e4, "0.012")])
def test_scaled(value: float, shown: str) -> None:
    assert wording.scaled(value, 1e6) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(41.26, "41.3 s"), (119.0, "119.0 s"), (600, "10.0 min"), (9000, "2.5 h")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert wording.duration(seconds) == shown


def test_share_interval() -> None:
    assert wording.share_interval(Interval(0.02, 0.11)) == "[2.00%, 11.00%]"
    assert wording.share_interval(None) == "[n/a]"


def test_settings() -> None:
    marks = {"optimizer.lr": 0.1, "augment.flip": True, "data.limit_train": None, "data.fingerprint": "a" * 64}
    shown = "optimizer.lr=0.1, augment.flip=true, data.limit_train=none, data.fingerprint=aaaaaaaaaaaa"
    assert wording.settings(marks) == shown


def test_groups_and_differences_have_plain_names() -> None:
    assert wording.group("X-C") == "base alone"
    assert wording.group("X-C=") == "base alone, equal compute"
    assert wording.difference("X-Y-M", "X-Y-B") == "larger - its own base"
    assert wording.difference("X-Y-M", "Y-C") == "larger - larger alone"


def test_an_arm_against_an_arm_says_what_they_differ_in() -> None:
    left, words = "X-Y-B (loss k=2 identity)", ("k=2", "k=3")
    assert wording.between_arms(left, words, whole=False) == "base: k=2 - k=3"
    assert wording.between_arms(left, words, whole=True) == "base: k=2 - k=3 (loss identity)"


@pytest.mark.parametrize(
    ("seeds", "said"),
    [((46, 24, 140), "46 [24, 140]"), ((366, 176, 2000), "366 [176, >999]"), ((4000, 1000, 10**6), ">999")],
)
def test_seeds_that_nobody_trains_are_one_word(seeds: tuple[int, int, int], said: str) -> None:
    assert seeds_words(Decision(0.3, 0.05, 0.1, 0.0, 0.2, *seeds)) == said
