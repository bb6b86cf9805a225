"""The held-out batch: images that a run never trains on, so that a motivation condition can watch their loss."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch

from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets.sources import Dataset
from seekcli.data.splitting.splits import BOTH_SIDES, by_rules, chosen_per_class, lost_classes
from seekcli.data.text.dataset import windows_held_out
from seekcli.errors import BadInput


def hold_out(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Move `images` training images out of training, each class in proportion; the seed alone chooses which.

    The rest keeps its order, and mean and deviation stay those of all training images. Under `data.rules` 2 every class
    keeps a training image; raises BadInput where that leaves too few to hold out.
    """
    if not images:
        return dataset
    if dataset.token_bytes is not None or dataset.is_rows:
        return hold_out_unstratified(dataset, images, seed, "rows" if dataset.is_rows else "windows")
    labels, both = dataset.train_labels, by_rules(dataset.rules, BOTH_SIDES)
    chosen = chosen_per_class(labels.tolist(), images, f"holdout {seed}", at_least=both)
    if len(chosen) < images:
        most = f"{len(chosen)} of {len(labels)} training images can be, with one of each class left to train on"
        raise BadInput(f"data.holdout_images {images}: no more than {most}")
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[chosen] = False
    return replace(
        dataset,
        train_images=dataset.train_images[kept],
        train_labels=labels[kept],
        holdout_images=dataset.train_images[chosen],
        holdout_labels=labels[chosen],
        split=f"{dataset.split}; {images} of {len(labels)} training images held out, stratified, seed {seed}"
        f"{lost_classes(dataset.class_names, held_of_each(dataset, chosen))}",
    )


def hold_out_unstratified(dataset: Dataset, count: int, seed: int, noun: str) -> Dataset:
    """As `hold_out`, of a text or of rows without classes: any of its training windows, or rows."""
    chosen = windows_held_out(len(dataset.train_labels), count, seed)
    kept = torch.ones(len(dataset.train_labels), dtype=torch.bool)
    kept[chosen] = False
    assert not isinstance(dataset.train_images, ImageFiles)
    return replace(
        dataset,
        train_images=dataset.train_images[kept],
        train_labels=dataset.train_labels[kept],
        holdout_images=dataset.train_images[chosen],
        holdout_labels=dataset.train_labels[chosen],
        split=f"{dataset.split}; {count} training {noun} held out, seed {seed}",
    )


def held_of_each(dataset: Dataset, chosen: list[int]) -> dict[int, int]:
    held = Counter(dataset.train_labels[chosen].tolist())
    return {label: held[label] for label in range(len(dataset.class_names))}
