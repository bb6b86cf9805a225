"""Training images among the test images: an accuracy on them says nothing about new images."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from seekcli.config.settings import DataConfig
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets import folders, imagenet
from seekcli.data.sets.identity import ImageFile, printable, read_digests
from seekcli.data.sets.listings import Listing, fingerprint_of, is_folder, listing_of
from seekcli.data.sets.npz import ArrayListing
from seekcli.data.splitting.splits import first_few
from seekcli.data.text.overlap import overlap_of_parts
from seekcli.data.text.reading import is_text
from seekcli.errors import BadInput, counted

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.data.sets.sources import Dataset


CHANGED_SINCE = (
    "not known: the folder that the run was made of is gone or has changed since, so that nobody can tell which of "
    "these images it was trained on"
)
IN_ARRAYS = "not looked for: images in arrays (npz:) are no files whose bytes could be compared with others"


class Known(NamedTuple):
    """An image by the hash of its contents, with the name that a user knows it by and its label."""

    digest: str
    name: str
    label: Hashable


def overlap_note(data: DataConfig, dataset: Dataset | None = None) -> str | None:
    """How many test images are training images too, and which; None where there is none, or it is not known.

    Files are compared by the sha256 of their bytes, before any limit of the training set: all of a folder, and of a
    streamed tree those that its identity reads. Other sets are compared by their pixels, where `dataset` is given. Of a
    text whole test windows count that stand in the training part.
    """
    if is_text(data):
        return overlap_of_parts(data)
    listing = listing_of(data)
    if listing is not None and not isinstance(listing, ArrayListing):
        return describe_overlap(*known_files(listing), where_of(listing))
    if dataset is not None and not isinstance(dataset.train_images, ImageFiles):
        assert not isinstance(dataset.test_images, ImageFiles)
        labels = [as_labels(each) for each in (dataset.train_labels, dataset.test_labels)]
        noun = "row" if dataset.is_rows else "image"
        train = known_images("training", dataset.train_images, labels[0], noun)
        test = known_images("test", dataset.test_images, labels[1], noun)
        return describe_overlap(train, test, noun=noun)
    return None


def overlap_ahead(data: DataConfig) -> str | None:
    """As `overlap_note`, before a run: of a folder known by its contents, whose files are read for the run id."""
    return overlap_note(data) if data.rules >= 2 and is_folder(data) else None


def overlap_with_training(data: DataConfig, others: folders.FolderListing | ArrayListing) -> str | None:
    """How many of the images of another set, all of them in its test split, a run over `data` was trained on.

    None for none. Where the folder of `data` is gone, or has other contents by now, it says that it is not known.
    """
    try:
        listing = listing_of(data)
        if listing is None or fingerprint_of(data, listing) != data.fingerprint:
            return CHANGED_SINCE
    except BadInput:
        return CHANGED_SINCE
    if isinstance(listing, ArrayListing) or isinstance(others, ArrayListing):
        return IN_ARRAYS
    train, _ = known_files(listing)
    _, test = known_files(others)
    return describe_overlap(train, test, where_of(listing))


def watched_overlap_note(dataset: Dataset) -> str | None:
    """How many validation or held-out images are training images too, by their pixels; None where there is none.

    A k that is chosen on such images, or a condition that watches their loss, sees what was learnt by heart.
    """
    if dataset.token_bytes is not None:
        return None
    splits = (
        ("validation", dataset.validation_images, dataset.validation_labels),
        ("held-out", dataset.holdout_images, dataset.holdout_labels),
    )
    train: list[Known] = []
    notes = []
    for name, images, labels in splits:
        if labels is None or isinstance(images, ImageFiles | None) or isinstance(dataset.train_images, ImageFiles):
            continue
        noun = "row" if dataset.is_rows else "image"
        train = train or known_images("training", dataset.train_images, as_labels(dataset.train_labels), noun)
        notes.append(describe_overlap(train, known_images(name, images, as_labels(labels), noun), "", name, noun))
    return "; ".join(note for note in notes if note) or None


def where_of(listing: Listing) -> str:
    sample = listing.sample if isinstance(listing, imagenet.ImageNetListing) else ""
    return f", looked for among {sample}" if sample else ""


def describe_overlap(
    train: Iterable[Known], test: Sequence[Known], where: str = "", split: str = "test", noun: str = "image"
) -> str | None:
    """The note in words; an image may lie in the two splits under two classes. `where` says what was looked at.

    A training image that is there under several classes is named by one that the test image does not have.
    """
    trained: dict[str, list[Known]] = {}
    for image in train:
        trained.setdefault(image.digest, []).append(image)

    def twin_of(image: Known) -> Known:
        twins = trained[image.digest]
        return next((twin for twin in twins if twin.label != image.label), twins[0])

    pairs = [(image, twin_of(image)) for image in test if image.digest in trained]
    if not pairs:
        return None
    named = first_few([f"{image.name} is {twin.name}" for image, twin in pairs])
    are = f"is a training {noun}" if len(test) == 1 else f"are training {noun}s"
    others = sum(image.label != twin.label for image, twin in pairs)
    classes = f", {others} of them under another {'class' if noun == 'image' else 'target'}" if others else ""
    return f"{len(pairs):,} of {counted(len(test), f'{split} {noun}')} {are} too{where}{classes} ({named})"


def known_files(listing: folders.FolderListing | imagenet.ImageNetListing) -> tuple[list[Known], list[Known]]:
    """The files of both splits whose digests the identity of the data reads."""
    digests = read_digests(listing.root, listing.files_to_read)

    def known(split: Iterable[ImageFile | str], labels: Sequence[int]) -> list[Known]:
        paths = [file if isinstance(file, str) else file.path for file in split]
        named = zip(paths, labels, strict=True)
        return [Known(digests[path], printable(path), label) for path, label in named if path in digests]

    return known(listing.train, listing.train_labels), known(listing.test, listing.test_labels)


def as_labels(targets: Tensor) -> list[Hashable]:
    """Labels [N] as numbers; targets of more than one number as text."""
    values: list[Any] = targets.tolist()
    return values if targets.dim() == 1 else [str(value) for value in values]


def known_images(split: str, images: Tensor, labels: Sequence[Hashable], noun: str = "image") -> list[Known]:
    """Images uint8 [N, C, H, W] in memory, by the sha256 of their pixels; rows of numbers as well."""
    pixels = images.cpu().contiguous().numpy()
    return [
        Known(hashlib.sha256(image.tobytes()).hexdigest(), f"{split} {noun} {index}", label)
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True))
    ]
