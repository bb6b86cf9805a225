"""Validation splits and folds: stratified, exact partitions of the training set, and never a test image among them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, strategies as st

from seekcli.config.settings import DataConfig
from seekcli.data.images.arrays import Arrays
from seekcli.data.sets import sources
from seekcli.data.splitting.validation import split_training, training_images_left, without_validation
from seekcli.errors import BadInput

NAMES = tuple("abcdefgh")


def settings(**values):
    return DataConfig(name="digits", **values)


def pieces(labels, folds, **values):
    return [split_training(settings(folds=folds, fold=fold, **values), labels, NAMES) for fold in range(folds)]


@given(st.lists(st.integers(0, 3), min_size=30, max_size=90), st.integers(2, 5))
def test_folds_partition_the_training_set_and_each_class_alike(labels, folds):
    labels = labels + [label for label in range(4) for _ in range(5)]
    found = pieces(labels, folds)
    everyone = list(range(len(labels)))
    assert sorted(index for piece in found for index in piece.validation) == everyone
    for piece in found:
        assert sorted(piece.train + piece.validation) == everyone
        assert piece.train == sorted(piece.train)
    for label in range(4):
        sizes = [sum(labels[index] == label for index in piece.validation) for piece in found]
        assert max(sizes) - min(sizes) <= 1
    assert max(len(piece.validation) for piece in found) - min(len(piece.validation) for piece in found) <= 1


@given(st.lists(st.integers(0, 2), min_size=12, max_size=60), st.sampled_from([0.2, 0.25, 1 / 3, 0.5]))
def test_a_fraction_takes_each_class_in_proportion(labels, fraction):
    labels = [*labels, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    found = split_training(settings(validation_fraction=fraction), labels, NAMES)
    assert sorted(found.train + found.validation) == list(range(len(labels)))
    assert len(found.validation) == int(fraction * len(labels) + 0.5)
    for label, size in Counter(labels).items():
        taken = sum(labels[index] == label for index in found.validation)
        assert abs(taken - fraction * size) < 1.5
    assert len(found.train) == training_images_left(settings(validation_fraction=fraction), Counter(labels))


def test_the_split_is_the_same_every_time_and_another_one_per_fold():
    labels = [0, 1, 2] * 20
    assert pieces(labels, 4) == pieces(labels, 4)
    assert len({tuple(piece.validation) for piece in pieces(labels, 4)}) == 4
    # not a stretch of the file order, which often is sorted by who or what made the images
    assert pieces(labels, 4)[0].validation != sorted(range(60))[::4]


def test_folds_leave_a_validation_split_alone():
    labels = [0, 1] * 20
    (held,) = {tuple(split_training(settings(validation_fraction=0.25), labels, NAMES).validation)}
    found = pieces(labels, 3, validation_fraction=0.25)
    covered = sorted(index for piece in found for index in piece.validation)
    assert covered == sorted(set(range(40)) - set(held))
    assert not set(held) & {index for piece in found for index in piece.train}
    for fold, piece in enumerate(found):
        left = training_images_left(settings(folds=3, fold=fold, validation_fraction=0.25), {0: 20, 1: 20})
        assert len(piece.train) == left


def a_data_set(sizes=(6, 4)):
    labels = torch.tensor([label for label, size in enumerate(sizes) for _ in range(size)])
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return Arrays(images, labels, images[:3] + 100, labels[:3], NAMES[: len(sizes)], "as given")


def test_images_and_labels_move_together_and_a_fold_has_no_test_images():
    arrays = a_data_set()
    kept, held = without_validation(arrays, settings(validation_fraction=0.3))
    assert len(held.train_labels) == 3
    assert sorted(kept.train_images[:, 0, 0, 0].tolist() + held.train_images[:, 0, 0, 0].tolist()) == list(range(10))
    for part in (kept, held):
        assert part.train_labels.tolist() == [int(i >= 6) for i in part.train_images[:, 0, 0, 0]]
    assert len(kept.test_images) == 3
    assert "3 of 10 training images for validation" in kept.split
    kept, held = without_validation(arrays, settings(folds=2, fold=1))
    assert (len(kept.train_labels), len(held.train_labels)) == (5, 5)
    assert len(kept.test_images) == len(kept.test_labels) == 0
    assert "fold 1 of 2" in kept.split
    assert without_validation(arrays, settings()) == (arrays, None)


def test_the_facts_are_those_of_the_data_that_is_loaded():
    data = DataConfig(name="synthetic:1x8x8:3:200", limit_train=100, validation_fraction=0.1, holdout_images=4)
    loaded = sources.load(data)
    assert len(loaded.validation_labels) == 10
    assert len(loaded.train_labels) == sources.data_facts(data).train_images + 4
    assert loaded.facts.test_images == len(loaded.test_labels)
    over = DataConfig(name="synthetic:1x8x8:3:200", folds=3, fold=2)
    assert len(sources.load(over).train_labels) == sources.data_facts(over).train_images
    assert len(sources.load(over).test_labels) == 0
    # the statistics of all arms and folds are those of the whole training set
    assert sources.load(over).mean == sources.load(DataConfig(name="synthetic:1x8x8:3:200")).mean


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"folds": 3}, "data.fold says which"),
        ({"fold": 1}, "data.folds"),
        ({"folds": 3, "fold": 3}, "0 to 2"),
        ({"folds": 5, "fold": 0}, "--folds 5 .*class 'b' has training images, 4"),
        ({"validation_fraction": 0.05}, "validation_fraction 0.05: 1 of 10"),
        ({"validation_fraction": 0.95}, "validation_fraction 0.95"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused_by_name(values, words):
    with pytest.raises(BadInput, match=words):
        without_validation(a_data_set(), settings(**values))


def test_a_class_that_would_not_be_trained_on_is_named():
    with pytest.raises(BadInput, match="class 'b' without a training image"):
        without_validation(a_data_set((9, 1)), settings(validation_fraction=0.8))
