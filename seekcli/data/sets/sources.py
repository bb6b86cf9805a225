"""What the data is: its facts without reading it, and its images. torch is imported when images are asked for."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.config.settings import DataConfig
from seekcli.data.images.arrays import Arrays, Watcher, channel_stats, require_memory, unwatched
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets import imagenet
from seekcli.data.sets.bare_paths import TEXT, word_for
from seekcli.data.sets.dataset import Dataset as Dataset, counts_in_words as counts_in_words
from seekcli.data.sets.deep_images import deep_images_note
from seekcli.data.sets.kind import DataFacts as DataFacts, FolderSet, NamedSet, TextSet
from seekcli.data.sets.kinds import KINDS, kind_named
from seekcli.data.sets.listings import (
    Listing,
    contents_of,
    fingerprint_of as fingerprint_of,
    folder_of as folder_of,
    folder_set,
    is_folder as is_folder,
    kind_of as kind_of,
    known_by,
    label_of as label_of,
    listing_of,
    own_set,
    recorded_name,
)
from seekcli.data.sets.npz import ArrayListing
from seekcli.data.splitting.splits import (
    ONE_EACH,
    SPLIT_SEED,
    by_rules,
    chosen_per_class,
    quotas,
)
from seekcli.data.splitting.validation import fraction_count, training_images_left, without_validation
from seekcli.data.text.dataset import check_asked_of_images, load_text, text_facts
from seekcli.data.text.reading import is_text as is_text
from seekcli.errors import BadInput, shown_value, unknown

if TYPE_CHECKING:
    from torch import Tensor


def rules_note(data: DataConfig) -> str:
    """That a folder is known by less than its contents, where it is."""
    return "; known by names and sizes alone (data.rules 1)" if known_by(data) == "names and sizes" else ""


def fit_note(data: DataConfig) -> str:
    """How photographs became squares, where that is not the usual way."""
    words = {"crop": "", "pad": "; images padded to squares with black", "stretch": "; images stretched to squares"}
    return words[data.fit]


def data_facts(data: DataConfig) -> DataFacts:
    """The facts of the data set that `data` names; only a folder is looked at on disk, and only its file list.

    Raises BadInput for an unknown name, an impossible form, a folder that is not one, or a limit that is none.
    """
    if is_text(data):
        return text_facts(data)
    own = own_set(data)
    if own is not None and (facts := own.facts(data)).input_shape is not None:
        check_asked_of_images(data)
        return facts
    return facts_of(data, listing_of(data))


def load(data: DataConfig, watcher: Watcher = unwatched) -> Dataset:
    """Read the data set; `watcher` is told how far the decoding of files is, where there is any to do.

    Raises BadInput as `data_facts` does, and for files that are missing, damaged or too large.
    """
    if is_text(data):
        return load_text(data)
    if (own := own_set(data)) is not None and (rows := own.load_rows(data)) is not None:
        return rows
    listing = listing_of(data)
    facts = facts_of(data, listing)
    fingerprint = fingerprint_of(data, listing)
    if fingerprint is not None and data.fingerprint not in (None, fingerprint):
        what = f"{kind_of(data)}:{folder_of(data)}: its files" if listing is not None else f"{facts.name}: its images"
        raise BadInput(f"--data {what} are not those that this run was made for")
    if kind := folder_set(data):
        arrays = kind.read(listing, data, facts.image_size, watcher)
    else:
        arrays = read_named_set(data, facts.image_size, watcher)
    deep = deep_images_note(data, listing) if listing is not None else ""
    arrays = replace(arrays, split=f"{arrays.split}{fit_note(data)}{deep}{rules_note(data)}")
    mean, std = stats_of(arrays.train_images)
    arrays, validation = without_validation(limited(arrays, data), data)
    return Dataset(
        facts, arrays.train_images, arrays.train_labels, arrays.test_images, arrays.test_labels, arrays.class_names,
        mean, std, arrays.split, data.rules, fingerprint,
        contents=contents_of(listing) if listing is not None and data.rules == 1 else None,
        validation_images=validation.train_images if validation else None,
        validation_labels=validation.train_labels if validation else None,
        test_paths=listing.test_paths if listing is not None and data.folds is None else None,
    )  # fmt: skip


def stats_of(images: Tensor | ImageFiles) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel: measured, but for images that are streamed."""
    return (imagenet.MEAN, imagenet.STD) if isinstance(images, ImageFiles) else channel_stats(images)


def has_own_size(data: DataConfig) -> bool:
    """Whether all its images have one size; photographs have each their own."""
    kind = kind_named(data.name)
    return may_not_be_fitted(data) or (isinstance(kind, FolderSet) and kind.keeps_size)


def may_not_be_fitted(data: DataConfig) -> bool:
    """Whether its images are all squares by the kind of data that it is: there is nothing for `data.fit` to decide."""
    kind = kind_named(data.name)
    return kind is None or isinstance(kind, TextSet) or (isinstance(kind, NamedSet) and kind.one_size)


def check_asked(data: DataConfig, listing: Listing | None) -> None:
    """Raise BadInput for a setting that this data does not read."""
    check_asked_of_images(data)
    square = isinstance(listing, ArrayListing) and listing.is_square
    if data.fit != "crop" and (may_not_be_fitted(data) or square):
        raise BadInput(f"data.fit {data.fit} is for photographs of any shape, and the images of {data.name} are square")
    having = [kind.word for kind in KINDS.values() if isinstance(kind, NamedSet) and kind.test_images]
    if data.test_images is not None and data.name not in having:
        raise BadInput(f"data.test_images is for {' and '.join(having)} alone, and this is {data.name}")


def facts_of(data: DataConfig, listing: Listing | None) -> DataFacts:
    facts = folder_facts(data, listing) if listing is not None else named_facts(data)
    check_asked(data, listing)
    if data.image_size is not None:
        facts = replace(facts, image_size=data.image_size)
    sizes = limited_sizes(data, facts, listing)
    names = listing.class_names if listing is not None else ()
    facts = replace(facts, train_images=training_images_left(data, sizes, names))
    return replace(facts, train_images=facts.train_images - held_out_count(data.holdout_images, facts))


def limited_sizes(data: DataConfig, facts: DataFacts, listing: Listing | None) -> dict[int, int]:
    """Training images by label that `--limit-train` leaves."""
    each = by_rules(data.rules, ONE_EACH)
    return quotas(class_sizes(facts, listing), limited_count(data.limit_train, facts), each)


def rules_for(data: DataConfig) -> int:
    """The `data.rules` of a new run: 2 wherever that can make a difference, so that other runs keep their ids.

    A named set has no folder to read; its splits differ only where by rules 1 a class would be rounded away. Data of
    one's own and texts came after rules 2.
    """
    if is_folder(data) or own_set(data) is not None or is_text(data):
        return 2
    facts = named_facts(data)
    sizes = quotas(class_sizes(facts, None), limited_count(data.limit_train, facts))
    taken = quotas(sizes, fraction_count(data, sum(sizes.values()), len(sizes)))
    left = {label: size - taken[label] for label, size in sizes.items()}
    held = quotas(left, min(data.holdout_images, sum(left.values())))
    sides = [*sizes.values(), *(left[label] - held[label] for label in left)]
    sides += taken.values() if data.validation_fraction else []
    return 1 if all(sides) else 2


def class_sizes(facts: DataFacts, listing: Listing | None) -> dict[int, int]:
    """Training images by label. Those of a named set are taken to be equal until its labels are read."""
    if listing is not None:
        return dict(Counter(listing.train_labels))
    return quotas(dict.fromkeys(range(facts.classes), facts.train_images), facts.train_images)


def named_set(data: DataConfig) -> NamedSet:
    """What is known of a data set without a folder. Raises BadInput for a name that is none."""
    kind = kind_named(data.name)
    if isinstance(kind, NamedSet):
        return kind
    if (word := word_for(Path(os.path.expanduser(data.name)))) is not None:
        what = "folder" if os.path.isdir(os.path.expanduser(data.name)) else "file"
        it = "a text" if word == TEXT else "it"
        raise BadInput(f"--data {shown_value(data.name)} is a {what}: name {it} as --data {word}:{data.name}")
    raise unknown("--data", data.name, [kind.form for kind in KINDS.values()])


def named_facts(data: DataConfig) -> DataFacts:
    return named_set(data).facts(data)


def folder_facts(data: DataConfig, listing: Listing) -> DataFacts:
    size = data.image_size or listing.side
    if size is None:
        raise BadInput(f"--data {data.name}: say with --image-size how many pixels a side its images shall have")
    classes = len(listing.class_names)
    return DataFacts(recorded_name(data), classes, listing.channels, size, len(listing.train), len(listing.test))


def limited_count(limit: int | None, facts: DataFacts) -> int:
    if limit is None:
        return facts.train_images
    if limit >= facts.train_images:
        raise BadInput(f"--limit-train {limit}: {facts.name} has {facts.train_images} training images; give fewer")
    if limit < facts.classes:
        raise BadInput(f"--limit-train {limit}: fewer images than the {facts.classes} classes of {facts.name}")
    return limit


def held_out_count(images: int, facts: DataFacts) -> int:
    """`images`, where at least two are left to train on."""
    if images and images > facts.train_images - 2:
        has = f"{facts.name} has {facts.train_images} training images"
        raise BadInput(f"data.holdout_images {images}: {has}; give fewer")
    return images


def read_named_set(data: DataConfig, image_size: int, watcher: Watcher = unwatched) -> Arrays:
    """A named data set, its images resized where they have another size."""
    kind = named_set(data)
    if kind.one_size:
        own = kind.facts(data)
        images, size = own.train_images + own.test_images, max(image_size, own.image_size)
        require_memory(f"--data {own.name}", images, own.channels, size)
    return kind.read(data, image_size, watcher).at_size(image_size)


def limited(arrays: Arrays, data: DataConfig) -> Arrays:
    """`limit_train` training images, each class in proportion."""
    limit = data.limit_train
    if limit is None:
        return arrays
    each = by_rules(data.rules, ONE_EACH)
    chosen = chosen_per_class(arrays.train_labels.tolist(), limit, "limit", at_least=each)
    split = f"{arrays.split}; {limit} of {len(arrays.train_labels)} training images, stratified, seed {SPLIT_SEED}"
    return arrays.with_training_images(chosen, split)
