"""Which images of a folder have more than 8 bits a channel, and what a run reads of them (`data.grey_bits`)."""

from __future__ import annotations

from typing import NamedTuple

from seekcli.config.settings import DataConfig
from seekcli.data.images.decoding_errors import unreadable_images
from seekcli.data.images.depth import usual_depth
from seekcli.data.sets.identity import printable, read_contents
from seekcli.data.sets.kept_listings import kept
from seekcli.data.sets.listings import Listing, listing_of
from seekcli.errors import BadInput


class DeepImages(NamedTuple):
    """Of the files that an identity by contents reads: `grey` ones of 16 bits, their highest value and a file with it.

    `cut` are those of 16 bits a channel of which only the upper 8 can be read. `problems` says by path why others
    cannot be read.
    """

    grey: int
    brightest: int
    brightest_file: str
    cut: int
    problems: dict[str, str]


def deep_images(listing: Listing) -> DeepImages:
    def find() -> DeepImages:
        found = read_contents(listing.root, listing.files_to_read)
        grey = {path: content.brightest for path, content in found.items() if content.brightest is not None}
        brightest = max(grey, key=lambda path: grey[path], default="")
        problems = {path: content.problem for path, content in sorted(found.items()) if content.problem}
        cut = sum(one.cut for one in found.values())
        return DeepImages(len(grey), grey.get(brightest, 0), brightest, cut, problems)

    return kept(("deep images", str(listing.root), listing.sizes, len(listing.files_to_read)), find)


def grey_bits_for(data: DataConfig) -> tuple[int, str] | None:
    """The `data.grey_bits` of a new run, and where it comes from; None where no image is grey with 16 bits."""
    listing = listing_of(data)
    if listing is None or data.rules == 1:
        return None
    found = deep_images(listing)
    if not found.grey:
        return None
    return usual_depth(found.brightest), f"auto, the highest value is {found.brightest}"


def check_values(listing: Listing) -> None:
    """Raise BadInput, before anything is decoded, for images whose values mean no brightness that can be known."""
    if problems := deep_images(listing).problems:
        raise unreadable_images({printable(path): why for path, why in problems.items()}, str(listing.root))


def check_white(what: str, data: DataConfig, listing: Listing) -> None:
    """Raise BadInput for a set that is brighter than the white of the model that is evaluated on it."""
    found, white = deep_images(listing), 2 ** (data.grey_bits or 16) - 1
    if found.brightest > white:
        raise BadInput(
            f"{what}: {printable(found.brightest_file)} has the value {found.brightest}, and the model was trained "
            f"with white at {white} (data.grey_bits {data.grey_bits}): bring the images to 0..{white}, or train a "
            f"model with --set data.grey_bits={usual_depth(found.brightest)}"
        )


def check_grey_bits(data: DataConfig) -> None:
    """Raise BadInput for bits that no image of the data is read by, or that one of them has more of."""
    if data.grey_bits is None:
        return
    listing = listing_of(data)
    if listing is None:
        raise BadInput(f"data.grey_bits is for image files, as of folder:DIR and imagenet:DIR, and this is {data.name}")
    found, white = deep_images(listing), 2**data.grey_bits - 1
    whole = not data.is_streamed or data.whole_digest
    if not found.grey and whole:
        raise BadInput(f"data.grey_bits {data.grey_bits}: no image of {data.name} is grey with 16 bits; leave it out")
    if found.brightest > white:
        raise BadInput(
            f"data.grey_bits {data.grey_bits}: {found.brightest_file} has the value {found.brightest}, which is above "
            f"{white}; use data.grey_bits={usual_depth(found.brightest)}"
        )


def deep_images_note(data: DataConfig, listing: Listing, as_trained: bool = False) -> str:
    """What is read of images of more than 8 bits a channel, to follow the words on the split; empty without any.

    `as_trained`: by the settings that a model was trained with, which cannot be others for it.
    """
    found, words, bits = deep_images(listing), "", data.grey_bits
    if found.grey and bits:
        words = f"; {found.grey:,} 16-bit grey images, highest value {found.brightest}, white is {2**bits - 1} "
        words += f"(data.grey_bits {bits})"
    elif found.grey:
        where, setting = (", as in training", "") if as_trained else ("", "; data.grey_bits")
        words = f"; of {found.grey:,} 16-bit grey images only the upper 8 bits are read{where} (highest value "
        words += f"{found.brightest} of 65535{setting})"
    if found.cut:
        words += f"; of {found.cut:,} images with 16 bits a channel only the upper 8 are read"
    return words
