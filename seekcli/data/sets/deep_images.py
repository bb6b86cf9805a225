"""Which images of a folder have more than 8 bits a channel, and what a run reads of them (`data.grey_bits`)."""

from __future__ import annotations

from typing import NamedTuple

from seekcli.config.settings import DataConfig
from seekcli.data.images.depth import usual_depth
from seekcli.data.sets.identity import read_contents
from seekcli.data.sets.kept_listings import kept
from seekcli.data.sets.listings import Listing, kind_of, listing_of
from seekcli.errors import BadInput


class DeepImages(NamedTuple):
    """Of the files that an identity by contents reads: `grey` ones of 16 bits, their highest value and a file with it.

    `cut` are those of 16 bits a channel of which only the upper 8 can be read.
    """

    grey: int
    brightest: int
    brightest_file: str
    cut: int


def deep_images(listing: Listing) -> DeepImages:
    def find() -> DeepImages:
        found = read_contents(listing.root, listing.files_to_read)
        grey = {path: content.brightest for path, content in found.items() if content.brightest is not None}
        brightest = max(grey, key=lambda path: grey[path], default="")
        return DeepImages(len(grey), grey.get(brightest, 0), brightest, sum(one.cut for one in found.values()))

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


def check_grey_bits(data: DataConfig) -> None:
    """Raise BadInput for bits that no image of the data is read by, or that one of them has more of."""
    if data.grey_bits is None:
        return
    listing = listing_of(data)
    if listing is None:
        raise BadInput(f"data.grey_bits is for folder:DIR and imagenet:DIR, and this is {data.name}")
    found, white = deep_images(listing), 2**data.grey_bits - 1
    whole = kind_of(data) == "folder" or data.whole_digest
    if not found.grey and whole:
        raise BadInput(f"data.grey_bits {data.grey_bits}: no image of {data.name} is grey with 16 bits; leave it out")
    if found.brightest > white:
        raise BadInput(
            f"data.grey_bits {data.grey_bits}: {found.brightest_file} has the value {found.brightest}, which is above "
            f"{white}; use data.grey_bits={usual_depth(found.brightest)}"
        )


def deep_images_note(data: DataConfig, listing: Listing) -> str:
    """What is read of images of more than 8 bits a channel, to follow the words on the split; empty without any."""
    found, words, bits = deep_images(listing), "", data.grey_bits
    if found.grey and bits:
        words = f"; {found.grey:,} 16-bit grey images, highest value {found.brightest}, white is {2**bits - 1} "
        words += f"(data.grey_bits {bits})"
    elif found.grey:
        words = f"; of {found.grey:,} 16-bit grey images only the upper 8 bits are read (highest value "
        words += f"{found.brightest} of 65535; data.grey_bits)"
    if found.cut:
        words += f"; of {found.cut:,} images with 16 bits a channel only the upper 8 are read"
    return words
