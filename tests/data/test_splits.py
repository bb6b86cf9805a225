"""Stratified choices: the right number of each class, and always the same images."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from seekcli.data.splitting.splits import chosen_per_class, count_for_test, quotas


@pytest.mark.parametrize(("images", "count"), [(1797, 360), (200, 40), (201, 41), (5, 1), (4, 1)])
def test_a_fifth_rounded_up_is_for_testing(images: int, count: int) -> None:
    assert count_for_test(images) == count


def test_quotas_by_largest_remainder() -> None:
    # shares 1.8, 1.2, 3.0
    assert quotas({0: 3, 1: 2, 2: 5}, 6) == {0: 2, 1: 1, 2: 3}
    # shares 1.5, 1.5: the first label gets the odd one
    assert quotas({0: 4, 1: 4}, 3) == {0: 2, 1: 1}


@given(st.lists(st.integers(1, 50), min_size=2, max_size=8), st.data())
def test_quotas_are_proportional_within_one(sizes: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, sum(sizes)))
    shared = quotas(dict(enumerate(sizes)), count)
    assert sum(shared.values()) == count
    for label, size in enumerate(sizes):
        assert abs(shared[label] - size * count / sum(sizes)) < 1
        assert shared[label] <= size


def test_a_choice_has_each_class_in_proportion_and_no_image_twice() -> None:
    labels = [0] * 50 + [1] * 30 + [2] * 20
    chosen = chosen_per_class(labels, 20, "test")
    assert Counter(labels[index] for index in chosen) == {0: 10, 1: 6, 2: 4}
    assert chosen == sorted(set(chosen))


def test_a_choice_is_fixed_and_depends_on_its_purpose() -> None:
    labels = [index % 3 for index in range(300)]
    assert chosen_per_class(labels, 9, "test") == chosen_per_class(labels, 9, "test")
    assert chosen_per_class(labels, 9, "test") != chosen_per_class(labels, 9, "limit")
    assert chosen_per_class(labels, 9, "test")[:3] != [0, 1, 2]


def test_a_smaller_choice_lies_within_a_larger_one() -> None:
    labels = [index % 4 for index in range(400)]
    assert set(chosen_per_class(labels, 40, "limit")) <= set(chosen_per_class(labels, 80, "limit"))


def test_names_decide_rather_than_places() -> None:
    names = [f"image{index}" for index in range(20)]
    chosen = {names[index] for index in chosen_per_class([0] * 20, 4, "test", names)}
    backwards = names[::-1]
    assert {backwards[index] for index in chosen_per_class([0] * 20, 4, "test", backwards)} == chosen
