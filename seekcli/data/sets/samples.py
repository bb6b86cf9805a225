"""Images that are given with their labels, split by split: which split is which, and which class is which label.

This is what an array file, a table and shards have in common; folders of class folders have a way of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from seekcli.data.sets.folders import FolderListing, comparable
from seekcli.data.sets.identity import ImageFile, text_digest
from seekcli.data.sets.labels import in_order
from seekcli.data.sets.layout import split_word
from seekcli.data.splitting.splits import BOTH_SIDES, TEST_SPLIT, chosen_per_class, count_for_test, first_few
from seekcli.errors import BadInput, counted, unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """One split as it is given: its name there, what each image is, and the class of each; None without labels."""

    name: str
    images: Sequence[T]
    classes: Sequence[str] | None


@dataclass(frozen=True)
class Divided(Generic[T]):
    """Both splits in the order in which they were given; labels index `class_names`. `words` say who chose which."""

    class_names: tuple[str, ...]
    train: tuple[T, ...]
    train_labels: tuple[int, ...]
    test: tuple[T, ...]
    test_labels: tuple[int, ...]
    words: str


@dataclass(frozen=True)
class LabelledListing(FolderListing):
    """Images whose class is not in their path."""

    @cached_property
    def sizes(self) -> str:
        """As that of a folder, with the class of each image."""
        labels = (*self.train_labels, *self.test_labels)
        listed = zip(self.files_to_read, labels, strict=True)
        entries = sorted((file.path, file.size_bytes, self.class_names[label]) for file, label in listed)
        return text_digest(f"{path}\0{size}\0{name}\n" for path, size, name in entries)


def listing_of_samples(root: Path, divided: Divided[ImageFile]) -> LabelledListing:
    return LabelledListing(
        root, divided.class_names, divided.train, divided.train_labels, divided.test, divided.test_labels,
        divided.words,
    )  # fmt: skip


def divide(what: str, parts: Sequence[Part[T]], names: Sequence[str] | None = None) -> Divided[T]:
    """The training and the test split. `names` are those of the labels 0, 1, ... where the data says them.

    The test split is what is called test, else validation; without either a fifth of the training split, each class in
    proportion, by the hash of the place of an image. Raises BadInput, beginning with `what`, for splits and classes
    that cannot be told.
    """
    train, test, left_alone = choose(what, parts)
    assert train.classes is not None
    found = Counter(train.classes)
    class_names = tuple(name for name in names or in_order(set(found)) if name in found)
    if len(class_names) < 2:
        raise BadInput(f"{what}: one class only ({class_names[0]}); it takes two or more")
    words = unseen_note(names or (), class_names) + left_alone
    if test is None:
        return split_off(what, train, class_names, words)
    assert test.classes is not None
    if strange := set(test.classes) - set(class_names):
        raise BadInput(f"{what}: {unknown(f'class in {test.name}:', in_order(strange)[0], list(class_names))}")
    untested = [name for name in class_names if name not in set(test.classes)]
    lacking = f"; {test.name} has no images of {classes_in_words(untested)}" if untested else ""
    label = {name: number for number, name in enumerate(class_names)}
    return Divided(
        class_names, tuple(train.images), tuple(label[name] for name in train.classes), tuple(test.images),
        tuple(label[name] for name in test.classes),
        f"{train.name or 'the others'} and {test.name} as given{lacking}{words}",
    )  # fmt: skip


def choose(what: str, parts: Sequence[Part[T]]) -> tuple[Part[T], Part[T] | None, str]:
    """The training split, the test split where there is one, and what is left alone, in words."""
    by_split: dict[str, Part[T]] = {}
    for part in parts:
        split = split_word(part.name)
        if split is not None and (twin := by_split.setdefault(split, part)) is not part:
            raise BadInput(f"{what}: {twin.name} and {part.name} may both be the {split} split")
    train = by_split.get("train")
    unnamed = [part for part in parts if split_word(part.name) is None]
    if train is None and len(unnamed) == 1 and (not by_split or not unnamed[0].name):
        train = unnamed[0]
    if train is None:
        there = first_few([part.name for part in parts], 5)
        raise BadInput(f"{what}: none of its splits is called train (there is {there})")
    if train.classes is None:
        raise BadInput(f"{what}: its training images{f' ({train.name})' if train.name else ''} have no labels")
    tests = [by_split[split] for split in ("test", "validation") if split in by_split]
    test = next((part for part in tests if part.classes is not None and len(part.images)), None)
    left = [part for part in parts if part is not train and part is not test]
    others = [f"{part.name}{' (no labels)' if part.classes is None else ''}" for part in left]
    return train, test, f"; {first_few(others)} left alone" if others else ""


def split_off(what: str, part: Part[T], class_names: tuple[str, ...], words: str) -> Divided[T]:
    """A fifth of the images for testing, and at least one of each class on both sides."""
    assert part.classes is not None
    number = {name: index for index, name in enumerate(class_names)}
    labels = [number[name] for name in part.classes]
    for name, images in Counter(part.classes).items():
        if images < 2:
            raise BadInput(f"{what}: class {name} has a single image, too few to split for a test")
    count = min(max(count_for_test(len(labels)), len(class_names)), len(labels) - len(class_names))
    keys = [ascii(image.path) for image in part.images if isinstance(image, ImageFile)]
    test = chosen_per_class(labels, count, "folder test", keys or None, BOTH_SIDES)
    chosen = set(test)
    train = [index for index in range(len(labels)) if index not in chosen]
    return Divided(
        class_names, tuple(part.images[index] for index in train), tuple(labels[index] for index in train),
        tuple(part.images[index] for index in test), tuple(labels[index] for index in test),
        f"{TEST_SPLIT}{f' of {part.name}' if part.name else ''}{words}",
    )  # fmt: skip


def unseen_note(names: Sequence[str], used: Sequence[str]) -> str:
    """What is said of named classes that have no training image."""
    unseen = [name for name in names if name not in used]
    return f"; {classes_in_words(unseen)} without a training image left out" if unseen else ""


def classes_in_words(names: Sequence[str]) -> str:
    """`2 classes (cat, dog)`"""
    return f"{counted(len(names), 'class', 'classes')} ({first_few(names)})"


def all_for_test(what: str, parts: Sequence[Part[T]], class_names: Sequence[str], numbers_hint: str = "") -> Divided[T]:
    """Every image that has a label, by the classes of a trained model, in the test split.

    Raises BadInput for a class that the model does not know; `numbers_hint` follows where that is a mere number.
    """
    number = {comparable(name): label for label, name in enumerate(class_names)}
    images: list[T] = []
    labels: list[int] = []
    for part in parts:
        if strange := set(part.classes or ()) - set(number):
            first = in_order(strange)[0]
            hint = numbers_hint if first.isdecimal() else ""
            raise BadInput(f"{what}: {unknown('class', first, list(class_names))}{hint}")
        if part.classes is not None:
            images += part.images
            labels += [number[name] for name in part.classes]
    if not images:
        raise BadInput(f"{what}: no images with labels")
    named = [part.name for part in parts if part.classes is not None and part.name]
    words = f"all images{' of ' + ' and '.join(named) if named else ''}"
    missing = [name for label, name in enumerate(class_names) if label not in set(labels)]
    words += f"; none of {len(missing)} of the {len(class_names)} classes ({first_few(missing)})" if missing else ""
    return Divided(tuple(class_names), (), (), tuple(images), tuple(labels), words)
