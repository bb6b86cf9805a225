"""The held-out batch: images that a run never trains on, so that a motivation condition can watch their loss."""

from __future__ import annotations

from dataclasses import replace

import torch

from seekcli.data.sources import Dataset
from seekcli.data.splits import chosen_per_class


def hold_out(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Move `images` training images out of training, each class in proportion; the seed alone chooses which.

    The rest keeps its order, and mean and deviation stay those of all training images.
    """
    if not images:
        return dataset
    labels = dataset.train_labels
    chosen = chosen_per_class(labels.tolist(), images, f"holdout {seed}")
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[chosen] = False
    return replace(
        dataset,
        train_images=dataset.train_images[kept],
        train_labels=labels[kept],
        holdout_images=dataset.train_images[chosen],
        holdout_labels=labels[chosen],
        split=f"{dataset.split}; {images} of {len(labels)} training images held out, stratified, seed {seed}",
    )
