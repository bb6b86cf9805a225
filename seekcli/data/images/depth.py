"""Images of more than 8 bits a channel: which they are, and grey ones of 16 bits brought to 8.

A 16-bit file may hold values of 10, 12 or 14 bits. Its upper 8 bits alone would then be a few dark levels.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

PNG, TIFF, JPEG_2000 = b"\x89PNG\r\n\x1a\n", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), b"\0\0\0\x0cjP  "
PNG_DEPTH_AT = 24  # where its header says the bits a channel
# PGM and PPM, in bytes or as text: width, height and the highest value, with comments anywhere between.
PNM = re.compile(rb"P[2356](?:(?:\s|#[^\n]*\n)+\d+){2}(?:\s|#[^\n]*\n)+(\d+)\s")
TIFF_BITS = 258  # the tag that does
DEPTHS = (8, 10, 12, 14, 16)  # of what cameras and scanners make


def may_be_deep(head: bytes) -> bool:
    """Whether a file that begins so may have more than 8 bits a channel. It costs nothing, unlike `depth_of`."""
    if head.startswith(PNG):
        return head[PNG_DEPTH_AT : PNG_DEPTH_AT + 1] == b"\x10"
    if (found := PNM.match(head)) is not None:
        return int(found[1]) > 255
    return head.startswith((*TIFF, JPEG_2000))


class Depth(NamedTuple):
    """`brightest` is the highest value of a grey image of 16 bits, None for all others.

    `cut`: it has 16 bits a channel, of which only the upper 8 can be read. `problem` says why it cannot be read.
    """

    brightest: int | None = None
    cut: bool = False
    problem: str = ""


def depth_of(file: str | IO[bytes]) -> Depth:
    from PIL import Image

    from seekcli.data.images.decoding import BROKEN

    with suppress(*BROKEN), Image.open(file) as image:  # a broken image is named when it is decoded
        if (problem := range_problem(image)) is not None:
            return Depth(problem=problem)
        return Depth(int(grey_values(image).max())) if is_grey_16(image) else Depth(cut=is_cut(image))
    return Depth()


def is_grey_16(image: Image.Image) -> bool:
    """Pillow holds some of them in 32 bits: PGM, and TIFF files that are written so."""
    return image.mode.startswith("I")


def grey_values(image: Image.Image) -> np.ndarray:
    import numpy as np

    return np.asarray(image)


def range_problem(image: Image.Image) -> str | None:
    """Why its values mean no brightness that can be known; None for an image that can be read."""
    if image.mode == "F":
        return "pixels of mode F have no fixed range; convert it to 8 or 16 bits"
    if image.mode == "I":
        values = grey_values(image)
        if values.min() < 0 or values.max() >= 2**16:
            return "its values are not within 0..65535; convert it to 8 or 16 bits"
    return None


def is_cut(image: Image.Image) -> bool:
    """Pillow reads colours of 16 bits a channel by their upper 8; grey with transparency too."""
    if image.format in ("PNG", "PPM"):
        return True  # of the others `may_be_deep` is false
    bits = getattr(image, "tag_v2", {}).get(TIFF_BITS, ())
    return max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8


def usual_depth(brightest: int) -> int:
    """The least usual number of bits that holds this value."""
    return next(bits for bits in DEPTHS if brightest < 2**bits)


def to_8_bits(image: Image.Image, bits: int | None) -> Image.Image:
    """A grey image of 16 bits as one of 8: 2^`bits` - 1 is white, rounded to the nearest; without `bits` the upper 8.

    The value that a PNG calls transparent is white; without `bits` it is grey, as earlier versions read it.

    Raises ValueError for a value above white.
    """
    import numpy as np
    from PIL import Image

    values = grey_values(image)
    if bits is None:
        return Image.fromarray((values >> 8).astype(np.uint8))
    white, brightest = 2**bits - 1, int(values.max())
    if brightest > white:
        raise ValueError(
            f"its value {brightest} is above {white}, which is white by data.grey_bits {bits}; "
            f"a run with data.grey_bits {usual_depth(brightest)} has room for it"
        )
    levels = ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    if isinstance(hidden := image.info.get("transparency"), int):
        levels[values == hidden] = 255
    return Image.fromarray(levels)
