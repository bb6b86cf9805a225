"""The held-out batch: images that a run never trains on, so that a motivation condition can watch their loss."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch

from seekcli.data.sets.sources import Dataset
from seekcli.data.splitting.splits import BOTH_SIDES, by_rules, chosen_per_class, lost_classes
from seekcli.errors import BadInput


def hold_out(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Move `images` training images out of training, each class in proportion; the seed alone chooses which.

    The rest keeps its order, and mean and deviation stay those of all training images. Under `data.rules` 2 every class
    keeps a training image; raises BadInput where that leaves too few to hold out.
    """
    if not images:
        return dataset
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


def held_of_each(dataset: Dataset, chosen: list[int]) -> dict[int, int]:
    held = Counter(dataset.train_labels[chosen].tolist())
    return {label: held[label] for label in range(len(dataset.class_names))}
