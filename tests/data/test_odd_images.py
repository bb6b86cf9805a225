"""Odd images come out as a person sees them: each kind through `folder:` and through `imagenet:`, pixel by pixel."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from tiny import tiny

from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets.sources import load

SIZE = 8
WHITE, BLACK, RED, GREEN, BLUE = (255,) * 3, (0,) * 3, (255, 0, 0), (0, 255, 0), (0, 0, 255)
ORIENTATION = 0x0112
Colour = tuple[int, ...]
Corners = tuple[Colour, Colour, Colour, Colour]  # top left, top right, bottom left, bottom right


def quarters(mode: str, values: list[int | tuple[int, ...]]) -> Image.Image:
    """Four squares of 4x4 pixels with these values of the mode."""
    image = Image.new(mode, (SIZE, SIZE))
    for index, value in enumerate(values):
        left, top = index % 2 * 4, index // 2 * 4
        image.paste(value, (left, top, left + 4, top + 4))
    return image


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


COLOURS: list[int | tuple[int, ...]] = [RED, GREEN, BLUE, WHITE]


def png_16_bit(transparent: int | None = None) -> bytes:
    """Grey of 16 bits: black, 1/255 and 1/5 of white, white. Written by hand, as Pillow drops what is transparent."""
    rows = [np.repeat([0, 257] if row < 4 else [13107, 65535], 4).astype(">u2").tobytes() for row in range(SIZE)]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 16, 0, 0, 0, 0))
    hidden = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + hidden + pixels + chunk(b"IEND", b"")


def cmyk_jpeg() -> bytes:
    """Inks in percent of 255 (no ink is white); Pillow writes what Adobe's programs do: inverted, with their mark."""
    inks: list[int | tuple[int, ...]] = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)]
    data = encoded(quarters("CMYK", inks), "JPEG", quality=100, subsampling=0)
    assert b"Adobe" in data
    return data


def ycck_jpeg() -> bytes:
    """As Photoshop writes it: cyan, magenta and yellow as luminance and colour differences. Black ink on the right."""
    # What is written as inks is what the decoder takes for (Y, Cb, Cr, K) of red, inverted; the mark then says so.
    y, cb, cr = Image.new("RGB", (1, 1), (0, 255, 255)).convert("YCbCr").getpixel((0, 0))
    red = 255 - y, 255 - cb, 255 - cr
    data = encoded(quarters("CMYK", [(*red, 0), (*red, 255)] * 2), "JPEG", quality=100, subsampling=0)
    mark = data.index(b"Adobe") + 11
    assert data[mark] == 0
    return data[:mark] + b"\2" + data[mark + 1 :]


def palette(form: str) -> bytes:
    image = quarters("P", [0, 1, 2, 3])
    image.putpalette([*RED, *GREEN, *BLUE, 10, 20, 30])
    return encoded(image, form, transparency=bytes([255, 0, 128, 255]) if form == "PNG" else 1)


def turned(form: str, **options: object) -> bytes:
    """As a camera held upright stores it: the picture lies on its side, and the note says so."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return encoded(quarters("RGB", COLOURS).transpose(Image.Transpose.ROTATE_90), form, exif=exif, **options)


def animated(form: str, **options: object) -> bytes:
    frames = [quarters("RGB", COLOURS), Image.new("RGB", (SIZE, SIZE), BLACK), Image.new("RGB", (SIZE, SIZE), RED)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)


def with_alpha(form: str, **options: object) -> bytes:
    """Opaque, transparent (over a hidden colour), half and a quarter."""
    return encoded(quarters("RGBA", [(*RED, 255), (*GREEN, 0), (*BLUE, 128), (*BLACK, 64)]), form, **options)


AS_SAVED: Corners = (RED, GREEN, BLUE, WHITE)
ON_WHITE: Corners = (RED, WHITE, (127, 127, 255), (191,) * 3)
AVIF = {"quality": 100, "subsampling": "4:4:4"}
LOSSLESS = {"lossless": True, "exact": True}
# What it is: its suffix, how it is made, its corners as they have to come out, by how much a lossy one may err.
KINDS: dict[str, tuple[str, Callable[[], bytes], Corners, int]] = {
    "16-bit PNG": ("png", png_16_bit, (BLACK, (1,) * 3, (51,) * 3, WHITE), 0),
    "16-bit PNG, a value transparent": ("png", lambda: png_16_bit(257), (BLACK, WHITE, (51,) * 3, WHITE), 0),
    "CMYK JPEG": ("jpg", cmyk_jpeg, AS_SAVED, 2),
    "CMYK JPEG of Photoshop": ("jpg", ycck_jpeg, (RED, BLACK, RED, BLACK), 2),
    "CMYK TIFF": ("tif", lambda: encoded(quarters("CMYK", [(0, 255, 255, 0)] * 4), "TIFF"), (RED,) * 4, 0),
    "grey and alpha": (
        "png",
        lambda: encoded(quarters("LA", [(0, 255), (200, 0), (100, 128), (50, 255)]), "PNG"),
        (BLACK, WHITE, (177,) * 3, (50,) * 3),
        0,
    ),
    "grey, a value transparent": (
        "png",
        lambda: encoded(quarters("L", [0, 100, 200, 255]), "PNG", transparency=100),
        (BLACK, WHITE, (200,) * 3, WHITE),
        0,
    ),
    "palette, transparent PNG": ("png", lambda: palette("PNG"), (RED, WHITE, (127, 127, 255), (10, 20, 30)), 0),
    "palette, transparent GIF": ("gif", lambda: palette("GIF"), (RED, WHITE, BLUE, (10, 20, 30)), 0),
    "colour and alpha": ("png", lambda: with_alpha("PNG"), ON_WHITE, 0),
    "turned JPEG": ("jpg", lambda: turned("JPEG", quality=100, subsampling=0), AS_SAVED, 2),
    "turned PNG": ("png", lambda: turned("PNG"), AS_SAVED, 0),
    "turned WebP": ("webp", lambda: turned("WEBP", **LOSSLESS), AS_SAVED, 0),
    "turned TIFF": ("tif", lambda: turned("TIFF"), AS_SAVED, 0),
    "animated GIF": ("gif", lambda: animated("GIF"), AS_SAVED, 0),
    "animated PNG": ("png", lambda: animated("PNG"), AS_SAVED, 0),
    "animated WebP": ("webp", lambda: animated("WEBP", **LOSSLESS), AS_SAVED, 0),
    "TIFF of several pages": ("tif", lambda: animated("TIFF"), AS_SAVED, 0),
    "WebP": ("webp", lambda: with_alpha("WEBP", **LOSSLESS), ON_WHITE, 0),
    "TIFF": ("tif", lambda: with_alpha("TIFF", compression="tiff_lzw"), ON_WHITE, 0),
    "TIFF whose white is 0": (
        "tif",
        lambda: encoded(quarters("L", [0, 255, 55, 155]), "TIFF", tiffinfo={262: 0}),
        (BLACK, WHITE, (55,) * 3, (155,) * 3),
        0,
    ),
    "AVIF": ("avif", lambda: with_alpha("AVIF", **AVIF), ON_WHITE, 2),
    "turned AVIF": ("avif", lambda: turned("AVIF", **AVIF), AS_SAVED, 3),
    "animated AVIF": ("avif", lambda: animated("AVIF", **AVIF), AS_SAVED, 3),
    "1 pixel": ("png", lambda: encoded(Image.new("RGB", (1, 1), (12, 34, 56)), "PNG"), ((12, 34, 56),) * 4, 0),
    "1 pixel wide": ("png", lambda: encoded(Image.new("LA", (1, 30), (9, 255)), "PNG"), ((9,) * 3,) * 4, 0),
}


def as_image(corners: Corners) -> np.ndarray:
    """uint8 [S, S, 3]"""
    return np.array(corners, dtype=np.uint8).reshape(2, 2, 3).repeat(4, axis=0).repeat(4, axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_out_as_it_is_seen(tmp_path: Path, kind: str) -> None:
    suffix, make, corners, error = KINDS[kind]
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    for place in ("train/a", "train/b", "test/a"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / f"0.{suffix}").write_bytes(make())
    in_memory = load(tiny(data__name=f"folder:{tmp_path}", data__image_size=SIZE).config.data).test_images
    assert np.abs(in_memory[0].permute(1, 2, 0).numpy().astype(int) - as_image(corners)).max() <= error
    data = tiny(data__name=f"imagenet:{tmp_path}", data__image_size=SIZE, data__test_crop=1.0).config.data
    streamed = load(data).test_images
    assert isinstance(streamed, ImageFiles)
    rule = CropRule(SIZE, grey_bits=streamed.grey_bits)
    seen = decode_view(rule, ImageRequest(streamed.located()[0], 0, 0))
    assert np.abs(seen.astype(int) - as_image(corners)).max() <= error
