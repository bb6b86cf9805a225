"""The held-out batch: stratified, by seed, out of training, and the rest as it was."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from seekcli.config.settings import DataConfig
from seekcli.data.sets.sources import data_facts, load
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.holdout import hold_out
from seekcli.errors import BadInput

DATA = DataConfig(name="synthetic:1x4x4:4:200")


@pytest.fixture(scope="module")
def dataset():
    return load(DATA)


def rows(images, labels):
    """Image bytes with their label, to compare sets of images."""
    return [(image.numpy().tobytes(), int(label)) for image, label in zip(images, labels, strict=True)]


def test_held_out_images_leave_the_training_set_and_nothing_else_changes(dataset):
    split = hold_out(dataset, 20, seed=0)
    kept, held_out = rows(split.train_images, split.train_labels), rows(split.holdout_images, split.holdout_labels)
    assert len(held_out) == 20
    assert sorted(kept + held_out) == sorted(rows(dataset.train_images, dataset.train_labels))
    assert kept == [row for row in rows(dataset.train_images, dataset.train_labels) if row in set(kept)]
    assert torch.equal(split.test_images, dataset.test_images)
    assert (split.mean, split.std) == (dataset.mean, dataset.std)
    assert "20 of 160 training images held out" in split.split


def test_every_class_gives_its_share(dataset):
    counts = torch.bincount(hold_out(dataset, 20, seed=1).holdout_labels, minlength=4)
    assert counts.tolist() == [5, 5, 5, 5]


def test_the_seed_alone_chooses(dataset):
    def chosen(seed):
        return rows(hold_out(dataset, 20, seed).holdout_images, hold_out(dataset, 20, seed).holdout_labels)

    assert chosen(3) == chosen(3)
    assert set(chosen(3)) != set(chosen(4))


def test_none_asked_for_is_the_data_set_as_it_is(dataset):
    assert hold_out(dataset, 0, seed=0) is dataset


def test_facts_count_what_is_trained_on(dataset):
    assert data_facts(DATA.model_copy(update={"holdout_images": 20})).train_images == 140
    assert data_facts(DATA.model_copy(update={"holdout_images": 20, "limit_train": 80})).train_images == 60


@pytest.mark.parametrize("images", [159, 160, 1000])
def test_too_many_are_bad_input(images):
    with pytest.raises(BadInput, match=rf"data.holdout_images {images}.*160 training images"):
        data_facts(DATA.model_copy(update={"holdout_images": images}))


def test_a_limited_set_holds_out_of_what_is_left():
    limited = DATA.model_copy(update={"limit_train": 40, "holdout_images": 8})
    whole, split = load(limited), hold_out(load(limited), 8, seed=0)
    assert len(split.train_labels) == 32
    assert set(rows(split.holdout_images, split.holdout_labels)) <= set(rows(whole.train_images, whole.train_labels))


@pytest.mark.parametrize(
    "settings",
    [{"holdout_images": 3}, {"holdout_images": 4}, {"holdout_images": 9}]
    + [{"holdout_images": 2, "limit_train": 40, "validation_fraction": 0.25}]
    + [{"holdout_images": 2, "folds": 2, "fold": fold, "limit_train": 40} for fold in (0, 1)],
)
@pytest.mark.parametrize("rules", [1, 2])
def test_what_is_held_out_is_said_before_an_image_is_read(tmp_path, settings, rules):
    """In the words of the run, without the seed: a class that the batch has no image of is named."""
    for name, images in (("common", 40), ("rare", 8), ("some", 16)):
        (tmp_path / name).mkdir()
        for index in range(images):
            Image.new("L", (4, 4), index).save(tmp_path / name / f"{index}.png")
    data = DataConfig(name=f"folder:{tmp_path}", image_size=4, rules=rules, **settings)
    found = hold_out(load(data), data.holdout_images, seed=0).split.split("; ")[-1]
    assert ("none of rare" in found) == (data.holdout_images < (9 if rules == 1 else 3))
    assert summary_ahead(data).split("; ")[-1] == found.replace(", stratified, seed 0", "")


def test_of_a_named_set_it_is_said_how_many_classes_are_lost():
    asked = DATA.model_copy(update={"holdout_images": 3})
    assert summary_ahead(asked).endswith("4 classes; 3 of 160 training images held out (none of 1 of the classes)")
