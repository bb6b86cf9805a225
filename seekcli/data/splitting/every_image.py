"""A set that is only tested on: every image in the folder, whatever splits it has, by a trained model's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seekcli.config.settings import DataConfig
from seekcli.data.images.arrays import Watcher, unwatched
from seekcli.data.sets import folders, imagenet
from seekcli.data.sets.deep_images import check_values, check_white, deep_images_note
from seekcli.data.sets.folder_walk import left_out_note, walk_classes
from seekcli.data.sets.folders import comparable, left_alone_note, unreadable
from seekcli.data.sets.identity import ImageFile, printable
from seekcli.data.sets.layout import require_classes, split_word, visible_subfolders
from seekcli.data.sets.listings import folder_of, folder_set, recorded_name
from seekcli.data.sets.npz import ArrayListing
from seekcli.data.sets.sources import DataFacts, Dataset, fit_note
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, unknown


def load_every_image(data: DataConfig, class_names: Sequence[str], watcher: Watcher = unwatched) -> Dataset:
    """All images of a set in files as the test split of a data set without training images.

    In folders they lie in DIR/CLASS/, DIR/test/CLASS/ or several such splits; a class may have one image, or none at
    all. Raises BadInput for a class that is not in `class_names`, with the nearest one, and for a set without images.
    """
    return load_listed(data, list_for_test(data, class_names), watcher)


def list_for_test(data: DataConfig, class_names: Sequence[str]) -> folders.FolderListing | ArrayListing:
    """As `load_every_image`, without reading an image."""
    kind = folder_set(data)
    assert kind is not None
    if kind.list_all is None:
        return list_every_image(folder_of(data), class_names, kind.word)
    found: folders.FolderListing | ArrayListing = kind.list_all(folder_of(data), data, class_names)
    return found


def load_listed(
    data: DataConfig, listing: folders.FolderListing | ArrayListing, watcher: Watcher = unwatched
) -> Dataset:
    """The images that were listed, as `load_every_image` gives them."""
    kind, size = folder_set(data), data.image_size
    assert kind is not None
    assert size is not None
    listing = replace(listing, split=listing.split + fit_note(data))
    what = f"--data {kind.word}:{folder_of(data)}"
    if isinstance(listing, folders.FolderListing) and kind.streamed:
        sample = imagenet.streamed(listing, data.whole_digest)
        check_values(sample)
        check_white(what, data, sample)
        arrays = kind.read(imagenet.streamed(listing), data, size, watcher)
    else:
        check_values(listing)
        check_white(what, data, listing)
        listing = replace(listing, split=listing.split + deep_images_note(data, listing, as_trained=True))
        arrays = kind.read(listing, data, size, watcher)
    class_names = listing.class_names
    facts = DataFacts(recorded_name(data), len(class_names), listing.channels, size, 0, len(listing.test))
    return Dataset(
        facts, arrays.train_images, arrays.train_labels, arrays.test_images, arrays.test_labels, arrays.class_names,
        imagenet.MEAN, imagenet.STD, listing.split, data.rules, test_paths=listing.test_paths,
    )  # fmt: skip


def list_every_image(root: Path, class_names: Sequence[str], kind: str = "folder") -> folders.FolderListing:
    """As `load_every_image`, without reading an image: a listing whose images are all in the test split."""
    what = f"--data {kind}:{root}"
    try:
        parts, beside = class_folders_of(root, class_names, what)
        walks = [walk_classes(root, what, f"{part}/" if part else "", 2) for part in parts]
    except OSError as error:
        raise unreadable(what, root, error) from error
    labels = label_by_name(class_names)
    found: list[tuple[ImageFile, int]] = []
    for walk in walks:
        for name, images in walk.images.items():
            if images and comparable(name) not in labels:
                raise BadInput(f"{what}: {unknown('class', printable(name), class_names)}")
            found += [(file, labels[comparable(name)]) for file in images]
    found.sort(key=lambda pair: (pair[1], pair[0].path))
    files, taken = tuple(file for file, _ in found), tuple(label for _, label in found)
    words = f"all images{' of ' + ' and '.join(f'{printable(part)}/' for part in parts) if parts[0] else ''}"
    words += missing_note(class_names, set(taken)) + left_out_note(*walks) + left_alone_note(tuple(beside))
    return folders.FolderListing(root, tuple(class_names), (), (), files, taken, words)


def class_folders_of(root: Path, class_names: Sequence[str], what: str) -> tuple[list[str], list[str]]:
    """The folders that hold classes, [""] for the root itself, and those beside them that are left alone."""
    known, names = label_by_name(class_names), visible_subfolders(root)
    splits = [
        name
        for name in names
        if comparable(name) not in known and split_word(name) is not None and visible_subfolders(root / name)
    ]
    if splits:
        beside = [name for name in names if name not in splits]
        require_one_place(splits, [name for name in beside if holds_classes(root, name, known)], what)
        return splits, beside
    if not any(comparable(name) in known for name in names):
        require_classes(root, names, what)
        for name in names:
            if holds_classes(root, name, known):
                place = f"{what.removeprefix('--data ')}/{printable(name)}"
                why = f"{printable(name)}/ holds classes of the model and is none of them"
                raise BadInput(f"{what}: {why}; use --data {place}")
    return [""], []


def holds_classes(root: Path, name: str, known: Mapping[str, int]) -> bool:
    """Whether it is a class of the model, or has one in it."""
    return comparable(name) in known or any(comparable(inner) in known for inner in visible_subfolders(root / name))


def require_one_place(splits: list[str], others: list[str], what: str) -> None:
    """Raise BadInput where `others` beside the splits hold images of the model's classes too."""
    if others:
        few, part = first_few([printable(name) for name in others]), printable(splits[0])
        raise BadInput(
            f"{what}: folders with classes of the model ({few}) stand beside {part}/, and which images are meant "
            f"cannot be told; name {what.removeprefix('--data ')}/{part} for those in it, or move it elsewhere"
        )


def label_by_name(class_names: Sequence[str]) -> dict[str, int]:
    return {comparable(name): label for label, name in enumerate(class_names)}


def missing_note(class_names: Sequence[str], found: set[int]) -> str:
    lacking = [name for label, name in enumerate(class_names) if label not in found]
    if not lacking:
        return ""
    return f"; none of {len(lacking)} of the {len(class_names)} classes ({first_few(lacking)})"
