"""The validation split: training images that a run does not train on, so that choices are made by them alone.

`data.validation_fraction` takes a share of them; `data.folds` and `data.fold` cut what is left into folds, one of which
is then the validation split. A run over a fold has no test images at all: what is chosen by it cannot have seen one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekcli.config.settings import DataConfig
from seekcli.data.images.arrays import Arrays
from seekcli.data.keys import key_of
from seekcli.data.splitting.splits import BOTH_SIDES, SPLIT_SEED, by_rules, chosen_per_class, quotas
from seekcli.errors import BadInput


@dataclass(frozen=True)
class Split:
    """Indices, ascending, into the training images: those to train on, and those to validate on; and the rule in words.

    With a fold and a validation_fraction the images of the latter are in neither.
    """

    train: list[int]
    validation: list[int]
    words: str


def training_images_left(data: DataConfig, sizes: Mapping[int, int], class_names: Sequence[str] = ()) -> int:
    """How many images are left to train on, of classes of these sizes (what `--limit-train` leaves of them).

    Raises BadInput for a split that cannot be made of so many. Without `class_names` the sizes are not exact, and a
    class that would be on one side alone is no error yet.
    """
    check_fold(data)
    images = sum(sizes.values())
    taken = fraction_count(data, images, len(sizes))
    taken_of = quotas(sizes, taken, by_rules(data.rules, BOTH_SIDES))
    if class_names:
        check_sides(data, sizes, {label: size - taken_of[label] for label, size in sizes.items()}, class_names)
    if data.folds is None:
        return images - taken
    fewest = min(size - taken_of[label] for label, size in sizes.items())
    if data.folds > fewest:
        raise BadInput(
            f"--folds {data.folds} (data.folds): more than the smallest class has training images, {max(fewest, 0)}"
        )
    left = images - taken
    return left - len(range(data.fold or 0, left, data.folds))


def sizes_left(data: DataConfig, sizes: Mapping[int, int]) -> dict[int, int]:
    """Of each class, the images that `training_images_left` counts: as many as `split_training` leaves of it."""
    taken_of = quotas(sizes, fraction_count(data, sum(sizes.values()), len(sizes)), by_rules(data.rules, BOTH_SIDES))
    left = {label: sizes[label] - taken_of[label] for label in sorted(sizes)}
    if data.folds is None:
        return left
    begun = 0
    for label, count in left.items():  # one class after the other, every data.folds-th image is in the fold
        in_fold = [rank for rank in range(begun, begun + count) if rank % data.folds == data.fold]
        begun, left[label] = begun + count, count - len(in_fold)
    return left


def check_fold(data: DataConfig) -> None:
    if data.folds is None and data.fold is not None:
        raise BadInput(f"data.fold {data.fold}: it needs data.folds, the number of folds")
    if data.folds is not None and data.fold is None:
        raise BadInput(f"data.folds {data.folds}: data.fold says which of them is validated on, 0 to {data.folds - 1}")
    if data.folds is not None and data.fold is not None and data.fold >= data.folds:
        raise BadInput(f"data.fold {data.fold}: the {data.folds} folds are 0 to {data.folds - 1}")


def fraction_count(data: DataConfig, images: int, classes: int) -> int:
    """Images that the validation_fraction takes, rounded half up: at least one a class, and as many left."""
    fraction = data.validation_fraction
    count = math.floor(fraction * images + 0.5)
    if fraction and not classes <= count <= images - classes:
        raise BadInput(
            f"data.validation_fraction {fraction:g}: {count} of {images} training images of {classes} classes leaves "
            "too few on one side"
        )
    return count


def split_training(data: DataConfig, labels: Sequence[int], class_names: Sequence[str]) -> Split:
    """Which training images are validated on: a function of the labels and their order alone, never of a run's seed.

    Both ways are stratified; each class has as many images in one fold as in another, or one more. Raises BadInput for
    a class without a training image left, and for more folds than the smallest class has images.
    """
    check_fold(data)
    # Not the run's seed: runs of all seeds, and of all k in a search, are compared on the same validation images.
    sizes = Counter(labels)
    count = fraction_count(data, len(labels), len(sizes))
    both = by_rules(data.rules, BOTH_SIDES)
    chosen = chosen_per_class(labels, count, "validation", at_least=both) if count else []
    taken = set(chosen)  # out of the folds too: a search is for a run that does not train on them
    left = [index for index in range(len(labels)) if index not in taken]
    remaining = Counter(labels[index] for index in left)
    check_sides(data, sizes, remaining, class_names)
    if data.folds is None:
        words = f"{count} of {len(labels)} training images for validation, stratified, seed {SPLIT_SEED}"
        return Split(left, chosen, words)
    label, fewest = min(remaining.items(), key=lambda item: (item[1], item[0]))
    if data.folds > fewest:
        raise BadInput(
            f"--folds {data.folds} (data.folds): more than class {class_names[label]!r} has training images, {fewest}"
        )
    # Images are dealt out like cards, one class after the other and on through all of them: so neither folds nor the
    # shares of a class in them differ by more than an image. They are ranked by a hash, which no library can change.
    ranked = sorted(left, key=lambda index: (labels[index], key_of("fold", SPLIT_SEED, index)))
    fold = set(ranked[data.fold :: data.folds])
    words = f"fold {data.fold} of {data.folds} of the training images for validation, stratified, seed {SPLIT_SEED}"
    unused = f" ({count} more left out)" if count else ""
    return Split([index for index in left if index not in fold], sorted(fold), f"{words}{unused}; no test images")


def check_sides(
    data: DataConfig, sizes: Mapping[int, int], remaining: Mapping[int, int], class_names: Sequence[str]
) -> None:
    """Raise BadInput, naming it, for a class that the validation_fraction leaves without an image on one side."""
    for label in sorted(sizes):
        side = None if remaining.get(label) else "training"
        if data.validation_fraction and data.rules >= 2 and remaining.get(label) == sizes[label]:
            side = "validation"
        if side is not None:
            raise BadInput(
                f"data.validation_fraction {data.validation_fraction:g} leaves class {class_names[label]!r} without a "
                f"{side} image: it has {sizes[label]}"
            )


def without_validation(arrays: Arrays, data: DataConfig) -> tuple[Arrays, Arrays | None]:
    """The arrays to train and test on, and those whose training images are validated on (None where there are none).

    Over a fold the first has no test images.
    """
    if not data.validation_fraction and data.folds is None and data.fold is None:
        return arrays, None
    split = split_training(data, arrays.train_labels.tolist(), arrays.class_names)
    words = f"{arrays.split}; {split.words}"
    kept = arrays.with_training_images(split.train, words)
    if data.folds is not None:  # what chooses a setting cannot look at the images that the choice is reported on
        kept = kept.without_test_images()
    return kept, arrays.with_training_images(split.validation, words)
