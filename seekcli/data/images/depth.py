"""Images of more than 8 bits a channel: which they are, and grey ones of 16 bits brought to 8.

A 16-bit file may hold values of 10, 12 or 14 bits. Its upper 8 bits alone would then be a few dark levels.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PNG, TIFF, JPEG_2000 = b"\x89PNG\r\n\x1a\n", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), b"\0\0\0\x0cjP  "
PNG_DEPTH_AT = 24  # where its header says the bits a channel
TIFF_BITS = 258  # the tag that does
DEPTHS = (8, 10, 12, 14, 16)  # of what cameras and scanners make


def may_be_deep(head: bytes) -> bool:
    """Whether a file that begins so may have more than 8 bits a channel. It costs nothing, unlike `depth_of`."""
    if head.startswith(PNG):
        return head[PNG_DEPTH_AT : PNG_DEPTH_AT + 1] == b"\x10"
    return head.startswith((*TIFF, JPEG_2000))


def depth_of(path: str) -> tuple[int | None, bool]:
    """The highest value of a grey image of 16 bits, else None; whether an image is read by its upper 8 bits alone."""
    import numpy as np
    from PIL import Image

    from seekcli.data.images.decoding import BROKEN

    with suppress(*BROKEN), Image.open(path) as image:  # a broken image is named when it is decoded
        if is_grey_16(image):
            return int(np.asarray(image).max()), False
        return None, is_cut(image)
    return None, False


def is_grey_16(image: Image.Image) -> bool:
    return image.mode.startswith("I;16")


def is_cut(image: Image.Image) -> bool:
    """Pillow reads colours of 16 bits a channel by their upper 8; grey with transparency too."""
    if image.format == "PNG":
        return True  # of the others `may_be_deep` is false
    bits = getattr(image, "tag_v2", {}).get(TIFF_BITS, ())
    return image.mode not in ("I", "F") and max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8


def usual_depth(brightest: int) -> int:
    """The least usual number of bits that holds this value."""
    return next(bits for bits in DEPTHS if brightest < 2**bits)


def to_8_bits(image: Image.Image, bits: int | None) -> Image.Image:
    """A grey image of 16 bits as one of 8: 2^`bits` - 1 is white, rounded to the nearest; without `bits` the upper 8.

    Raises ValueError for a value above white.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if bits is None:
        return Image.fromarray((values >> 8).astype(np.uint8))
    white, brightest = 2**bits - 1, int(values.max())
    if brightest > white:
        raise ValueError(
            f"its value {brightest} is above {white}, which is white by data.grey_bits {bits}; "
            f"data.grey_bits {usual_depth(brightest)} has room for it"
        )
    return Image.fromarray(((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8))
