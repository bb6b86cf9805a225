"""Image files to arrays of one size, by Pillow, on a few threads."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from seekcli.config.value_types import Fit
from seekcli.data.images.arrays import Watcher, unwatched
from seekcli.data.images.decoding_errors import unreadable_images
from seekcli.data.images.depth import is_grey_16, range_problem, to_8_bits
from seekcli.data.images.fit import cut_out, square_box
from seekcli.data.images.places import Changed, Place, openable

# Part of the cache's key: a change of the rule is a change of the pixels, and of this line.
RULE = "EXIF orientation; transparent on white; RGB; centre square; bilinear, antialiased; JPEG read at 2x or more; 1"
CHUNK_FILES = 64
MAX_THREADS = 8
SMALL_FILE_BYTES = 16 * 1024
# What Pillow's readers raise for files that are damaged, cut off, or something else under an image's name.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error,
          zlib.error, Image.DecompressionBombError)  # fmt: skip


def rule_of(grey_bits: int | None, fit: Fit) -> str:
    """The rule by which the pixels are made, in words that are never changed: part of the cache's key."""
    rule = RULE if fit == "crop" else RULE.replace("centre square", f"fit {fit}")
    return rule if grey_bits is None else f"{rule}; {grey_bits} bits of grey, transparent on white"


def decode_files(
    paths: Sequence[Place],
    size: int,
    watcher: Watcher = unwatched,
    digests: Sequence[str] | None = None,
    grey_bits: int | None = None,
    fit: Fit = "crop",
) -> np.ndarray:
    """uint8 [N, 3, size, size]. Raises BadInput that names the broken files of `paths`, all of them at once.

    With `digests` also for a file whose bytes are not those of its sha256: it changed since the folder was listed.
    """
    images = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    broken: dict[int, str] = {}

    def decode_chunk(start: int) -> None:
        for index in range(start, min(start + CHUNK_FILES, len(paths))):
            digest = digests[index] if digests else None
            try:
                images[index] = pixels_of(paths[index], size, digest, grey_bits, fit).transpose(2, 0, 1)
            except Unreadable as error:
                broken[index] = str(error)

    def tell(done: int) -> None:
        if done < len(paths) or not broken:  # who hears of the last one says that all are decoded
            watcher(done, len(paths))

    pool = ThreadPoolExecutor(threads_for(paths))
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, of odd metadata; the pixels are what counts
            for chunk, _ in enumerate(pool.map(decode_chunk, range(0, len(paths), CHUNK_FILES)), 1):
                tell(min(chunk * CHUNK_FILES, len(paths)))
    finally:
        pool.shutdown(cancel_futures=True)
    if broken:
        raise unreadable_images({str(paths[index]): broken[index] for index in sorted(broken)})
    return images


def threads_for(paths: Sequence[Place]) -> int:
    """Pillow releases the interpreter's lock while it decodes, but thumbnails are over too soon to gain by it.

    10,000 JPEGs of 1 kB: two threads took 1.6 times as long as one.
    """
    sample = [size_of(path) for path in paths[:CHUNK_FILES]]
    return min(MAX_THREADS, os.cpu_count() or 1) if sum(sample) > SMALL_FILE_BYTES * len(sample) else 1


def size_of(place: Place) -> int:
    """Bytes; 0 for a file that is not there, which is told when it is decoded."""
    try:
        return os.path.getsize(place) if isinstance(place, str) else len(place.read())
    except OSError:
        return 0


class Unreadable(Exception):
    """Why an image cannot be read, without its path."""


def decode_file(place: Place, size: int) -> np.ndarray:
    """As `pixels_of`. Raises BadInput that names the file."""
    try:
        return pixels_of(place, size)
    except Unreadable as error:
        raise unreadable_images({str(place): str(error)}) from error


def pixels_of(
    place: Place, size: int, digest: str | None = None, grey_bits: int | None = None, fit: Fit = "crop"
) -> np.ndarray:
    """One image, uint8 [size, size, 3]: the first frame, upright, RGB, as a square of `size` pixels a side."""
    try:
        with Image.open(openable(place, digest)) as image:
            # Large JPEGs are read at a fraction of their size, at least twice the one asked for: several times faster.
            image.draft(image.mode, (2 * size, 2 * size))
            return np.asarray(as_square(as_rgb(upright(image), grey_bits), size, fit))
    except Changed:
        raise Unreadable("it changed while it was read: give the command again") from None
    except BROKEN as error:
        raise Unreadable(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """One line without the path, which is said already."""
    if isinstance(error, UnidentifiedImageError):
        return "it is damaged, or no image"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, the most that are read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; an unreadable EXIF block is no reason to refuse the image."""
    with suppress(SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return ImageOps.exif_transpose(image)
    return image


def as_rgb(image: Image.Image, grey_bits: int | None = None) -> Image.Image:
    """Grey, palette, CMYK and 16-bit grey images (`grey_bits`: `to_8_bits`) as RGB; transparent ones as on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if (problem := range_problem(image)) is not None:
        raise ValueError(problem)
    if is_grey_16(image):
        return to_8_bits(image, grey_bits).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def as_square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """`crop`: the shorter side becomes `size`, the longer one loses its two ends; the others show all of the image."""
    if image.size == (size, size):
        image.load()
        return image
    return cut_out(image, square_box(*image.size, fit), size, Image.Resampling.BILINEAR)
