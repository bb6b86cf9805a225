"""What the data is: its facts without reading it, and its images. torch is imported when images are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.config import DataConfig
from seekcli.data import cifar, folders, synthetic
from seekcli.data.arrays import Arrays, channel_stats, require_memory
from seekcli.data.splits import SPLIT_SEED, TEST_SPLIT, chosen_per_class, count_for_test
from seekcli.errors import BadInput, unknown

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("digits", "cifar10", "cifar100", "folder:DIR", synthetic.FORM)
DIGITS_IMAGES, DIGITS_SIZE, DIGITS_CLASSES, DIGITS_LEVELS = 1797, 8, 10, 16


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data set before an image is read; `train_images` is what `--limit-train` leaves of them.

    `name` is a label for records (never a path), `image_size` is in pixels a side, `fingerprint` is a folder's own.
    """

    name: str
    classes: int
    channels: int
    image_size: int
    train_images: int
    test_images: int
    fingerprint: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, C, H, W] and labels int64 [N] of both splits, in the host's memory.

    `mean` and `std` are per channel, of all training images before any limit, at the size trained on, scaled to 0..1.
    `split` says who chose the test images, and what was left out.
    """

    facts: DataFacts
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    split: str


def describe(data: DataConfig) -> DataFacts:
    """The facts of the data set that `data` names; only a folder is looked at on disk, and only its file list.

    Raises BadInput for an unknown name, an impossible form, a folder that is not one, or a limit that is none.
    """
    listing = folders.scan(folder_of(data)) if is_folder(data) else None
    return facts_of(data, listing)


def load(data: DataConfig) -> Dataset:
    """Read the data set. Raises BadInput as `describe` does, and for files that are missing, damaged or too large."""
    listing = folders.scan(folder_of(data)) if is_folder(data) else None
    facts = facts_of(data, listing)
    if listing is not None and data.fingerprint not in (None, facts.fingerprint):
        raise BadInput(f"--data folder:{listing.root}: its files are not those that this run was made for")
    arrays = folders.read(listing, facts.image_size) if listing is not None else read(data, facts.image_size)
    mean, std = channel_stats(arrays.train_images)
    arrays = limited(arrays, data.limit_train)
    return Dataset(
        facts, arrays.train_images, arrays.train_labels, arrays.test_images, arrays.test_labels, arrays.class_names,
        mean, std, arrays.split,
    )  # fmt: skip


def is_folder(data: DataConfig) -> bool:
    return data.name.partition(":")[0] == "folder"


def folder_of(data: DataConfig) -> Path:
    """The folder's path. A resolved config has it in `dir`, and in `name` no more than its label."""
    named = data.name.partition(":")[2]
    if data.dir is None:
        if not named:
            raise BadInput("--data folder: name the folder, as in --data folder:DIR")
        return Path(named).expanduser()
    folder = Path(data.dir).expanduser()
    same = named in ("", data.dir, label_of(folder))
    if not same and data.fingerprint is None:
        raise BadInput(f"--data-dir {data.dir}: a folder is named once, as in --data folder:{folder / named}")
    return folder


def label_of(folder: Path) -> str:
    """`.` and `photos/` have names too."""
    return folder.resolve().name


def facts_of(data: DataConfig, listing: folders.Listing | None) -> DataFacts:
    facts = folder_facts(data, listing) if listing is not None else named_facts(data)
    if data.image_size is not None:
        facts = replace(facts, image_size=data.image_size)
    return replace(facts, train_images=limited_count(data.limit_train, facts))


def named_facts(data: DataConfig) -> DataFacts:
    if data.name == "digits":
        test = count_for_test(DIGITS_IMAGES)
        return DataFacts("digits", DIGITS_CLASSES, 1, DIGITS_SIZE, DIGITS_IMAGES - test, test)
    if data.name in cifar.CLASSES:
        classes = cifar.CLASSES[data.name]
        return DataFacts(
            data.name, classes, cifar.CHANNELS, cifar.IMAGE_SIZE, cifar.TRAIN_IMAGES, cifar.TEST_IMAGES)
    if data.name.partition(":")[0] == "synthetic":
        asked = synthetic.parse(data.name)
        train = asked.images - asked.test_images
        return DataFacts(asked.name, asked.classes, asked.channels, asked.image_size, train, asked.test_images)
    raise unknown("--data", data.name, KINDS)


def folder_facts(data: DataConfig, listing: folders.Listing) -> DataFacts:
    if data.image_size is None:
        raise BadInput(f"--data {data.name}: say with --image-size how many pixels a side its images shall have")
    return DataFacts(
        f"folder:{label_of(listing.root)}", len(listing.class_names), folders.CHANNELS, data.image_size,
        len(listing.train), len(listing.test), listing.fingerprint,
    )  # fmt: skip


def limited_count(limit: int | None, facts: DataFacts) -> int:
    if limit is None:
        return facts.train_images
    if limit >= facts.train_images:
        raise BadInput(f"--limit-train {limit}: {facts.name} has {facts.train_images} training images; give fewer")
    if limit < facts.classes:
        raise BadInput(f"--limit-train {limit}: fewer images than the {facts.classes} classes of {facts.name}")
    return limit


def read(data: DataConfig, image_size: int) -> Arrays:
    """A named data set, its images resized where they have another size."""
    own = named_facts(data)
    size = max(image_size, own.image_size)
    require_memory(f"--data {own.name}", own.train_images + own.test_images, own.channels, size)
    if data.name == "digits":
        return digits().at_size(image_size)
    if data.name in cifar.CLASSES:
        return cifar.read(data.name, Path(data.dir).expanduser() if data.dir else None).at_size(image_size)
    return synthetic.generate(synthetic.parse(data.name)).at_size(image_size)


def digits() -> Arrays:
    """scikit-learn's 1,797 handwritten digits, 1 x 8 x 8; levels 0..16 become 0..255 (times 255/16, rounded)."""
    import torch
    from sklearn.datasets import load_digits

    bundled = load_digits()
    levels = torch.from_numpy(bundled.images)
    images = (levels * (255 / DIGITS_LEVELS)).round().to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bundled.target).to(torch.int64)
    test = set(chosen_per_class(labels.tolist(), count_for_test(DIGITS_IMAGES), "digits test"))
    is_test = torch.tensor([index in test for index in range(DIGITS_IMAGES)])
    names = tuple(str(name) for name in bundled.target_names)
    return Arrays(images[~is_test], labels[~is_test], images[is_test], labels[is_test], names, TEST_SPLIT)


def limited(arrays: Arrays, limit: int | None) -> Arrays:
    """`limit` training images, each class in proportion."""
    if limit is None:
        return arrays
    chosen = chosen_per_class(arrays.train_labels.tolist(), limit, "limit")
    split = f"{arrays.split}; {limit} of {len(arrays.train_labels)} training images, stratified, seed {SPLIT_SEED}"
    return arrays.with_training_images(chosen, split)
