"""What a run sees of an image on disk: a part of it, as a square. Drawn for a place in the epoch, not by a history.

An image is upright (EXIF) RGB, as in decoding.py. Shapes: S pixels a side, W x H the image's own size.
"""

from __future__ import annotations

import math
import struct
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image

from seekcli.config.value_types import Fit
from seekcli.data.images.decoding import BROKEN, as_rgb, reason_of
from seekcli.data.images.fit import Box, box_within, cut_out, square_box
from seekcli.data.images.places import Place, openable
from seekcli.data.keys import generator_for
from seekcli.errors import BadInput

# Of a random resized crop (Szegedy et al. 2015), with torchvision's ten tries and its way out.
LEAST_ASPECT, MOST_ASPECT, TRIES = 3 / 4, 4 / 3, 10
# Bicubic, as in the recipes that timm trains ImageNet by.
RESAMPLING = Image.Resampling.BICUBIC
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageRequest(NamedTuple):
    """One image to take: the file, and which place of which epoch it is for (both 0 where nothing is drawn)."""

    place: Place
    epoch: int
    position: int


@dataclass(frozen=True)
class CropRule:
    """Which part of an image is seen, at `size` pixels a side.

    `least_area` above 0: a random part of at least this share of the image, keyed by (seed, epoch, position). Else
    the centred square whose side is `centre` of the shorter side: the same as resizing the shorter side to
    size / centre and cropping the middle, in one resampling. With another `fit` than crop it is the square that the
    whole image is padded or stretched to, or a random part of that. `grey_bits` is that of `depth.to_8_bits`.
    """

    size: int
    centre: float = 1.0
    least_area: float = 0.0
    seed: int = 0
    grey_bits: int | None = None
    fit: Fit = "crop"

    def box(self, width: int, height: int, request: ImageRequest) -> Box:
        if not self.least_area and self.fit == "crop":
            return centred(width, height, self.centre * min(width, height))
        if not self.least_area:
            return square_box(width, height, self.fit)
        generator = generator_for("resized-crop", self.seed, request.epoch, request.position)
        draws = torch.rand((TRIES, 4), generator=generator, dtype=torch.float64).tolist()
        if self.fit == "crop":
            return random_box(width, height, self.least_area, draws)
        side = max(width, height)
        return box_within(width, height, self.fit, random_box(side, side, self.least_area, draws))


def random_box(width: int, height: int, least_area: float, draws: list[list[float]]) -> Box:
    """A random part of the image from uniform numbers [tries, 4].

    Its area is uniform from `least_area` to 1, its aspect log-uniform from 3/4 to 4/3, its place uniform over whole
    pixels. When no try fits it is the largest centred part whose aspect does.
    """
    for area_draw, aspect_draw, column, row in draws:
        area = width * height * (least_area + (1 - least_area) * area_draw)
        aspect = math.exp(math.log(LEAST_ASPECT) + math.log(MOST_ASPECT / LEAST_ASPECT) * aspect_draw)
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(column * (width - wide + 1)), int(row * (height - high + 1))
            return left, top, left + wide, top + high
    aspect = min(max(width / height, LEAST_ASPECT), MOST_ASPECT)
    return centred(width, height, min(width, height * aspect), min(height, width / aspect))


def centred(width: int, height: int, wide: float, high: float | None = None) -> Box:
    """The middle of the image, `wide` x `high` (a square where `high` is not given)."""
    high = wide if high is None else high
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high


def decode_view(rule: CropRule, request: ImageRequest) -> np.ndarray:
    """The image that the rule cuts out, uint8 [S, S, 3]. Raises BadInput that names a file which cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(openable(request.place)) as image:
            return np.asarray(crop_and_resize(image, rule, request))
    except BROKEN as error:
        raise BadInput(f"cannot read the image {request.place}: {reason_of(error)}") from error


def crop_and_resize(image: Image.Image, rule: CropRule, request: ImageRequest) -> Image.Image:
    """Decode, turn upright, cut and resize, in one antialiased resampling."""
    turn = orientation(image)
    sideways = turn >= 5
    width, height = image.size[::-1] if sideways else image.size
    box = rule.box(width, height, request)
    shrunk = shrink(image, box, rule.size, sideways)
    upright = as_rgb(image, rule.grey_bits)
    if turn in ORIENTATIONS:
        upright = upright.transpose(ORIENTATIONS[turn])
    left, top, right, bottom = (edge / shrunk for edge in box)
    if rule.fit != "pad":  # rounding must not put an edge outside the image
        right, bottom = min(right, upright.size[0]), min(bottom, upright.size[1])
        left, top = min(left, upright.size[0]), min(top, upright.size[1])
    return cut_out(upright, (left, top, right, bottom), rule.size, RESAMPLING)


def orientation(image: Image.Image) -> int:
    """EXIF's, 1 to 8; 1 (upright) where there is none that can be read.

    Pillow turns a TIFF itself when it reads the pixels, and takes the note of it away.
    """
    if image.format == "TIFF":
        image.load()
    with suppress(SyntaxError, ValueError, TypeError, KeyError, struct.error):
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
        return found if found in ORIENTATIONS else 1
    return 1


def shrink(image: Image.Image, box: Box, size: int, sideways: bool) -> float:
    """Have a JPEG read at a half, a quarter or an eighth where the box still has twice the pixels asked for.

    Returns the divisor: 1 for other formats, and wherever full size is needed. It depends on file and box alone.
    """
    wide, high = box[2] - box[0], box[3] - box[1]
    if sideways:
        wide, high = high, wide
    width, height = image.size
    drafted = image.draft(image.mode, (math.ceil(2 * size * width / wide), math.ceil(2 * size * height / high)))
    return width / drafted[1][2] if drafted else 1.0
