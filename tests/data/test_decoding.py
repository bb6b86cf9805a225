"""Image files of every kind become upright RGB squares."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seekcli.data.images import decoding
from seekcli.data.images.decoding import decode_files
from seekcli.data.images.decoding_errors import unreadable_images
from seekcli.errors import BadInput

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112


def quarters(size: int = 16) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (size, size))
    half = size // 2
    for place, colour in (((0, 0), RED), ((half, 0), GREEN), ((0, half), BLUE), ((half, half), WHITE)):
        image.paste(colour, (*place, place[0] + half, place[1] + half))
    return image


def decode_one(path: Path, size: int = 16) -> np.ndarray:
    images = decode_files([str(path)], size)
    assert images.shape == (1, 3, size, size)
    assert images.dtype == np.uint8
    return images[0]


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(int(value) for value in image[:, row, column]) for row in (0, -1) for column in (0, -1)]


def saved(folder: Path, image: Image.Image, name: str = "image.png", **options: object) -> Path:
    image.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("name", ["image.png", "image.bmp", "image.gif", "image.tif", "image.ppm", "image.webp"])
def test_pixels_of_the_right_size_are_kept(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    assert corners(decode_one(saved(tmp_path, quarters(), name, **options))) == [RED, GREEN, BLUE, WHITE]


def test_grey_is_rgb_with_equal_channels(tmp_path: Path) -> None:
    image = decode_one(saved(tmp_path, Image.new("L", (16, 16), 77)))
    assert (image == 77).all()


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    image = decode_one(saved(tmp_path, Image.fromarray(levels)))
    assert np.array_equal(image[0], levels >> 8)


def test_bilevel_palette_and_cmyk(tmp_path: Path) -> None:
    assert (decode_one(saved(tmp_path, Image.new("1", (16, 16), 1))) == 255).all()
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert corners(decode_one(saved(tmp_path, palette, "palette.png"))) == [RED, GREEN, BLUE, WHITE]
    cmyk = Image.new("CMYK", (16, 16), (255, 255, 0, 0))  # cyan and yellow ink off blue: blue stays
    assert corners(decode_one(saved(tmp_path, cmyk, "cmyk.tif"))) == [BLUE] * 4


def test_what_is_transparent_is_white_whatever_colour_it_hides(tmp_path: Path) -> None:
    image = quarters().convert("RGBA")
    image.putalpha(Image.new("L", (16, 16), 0))
    assert corners(decode_one(saved(tmp_path, image))) == [WHITE] * 4
    image.putalpha(Image.new("L", (16, 16), 255))
    assert corners(decode_one(saved(tmp_path, image))) == [RED, GREEN, BLUE, WHITE]
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    hidden = saved(tmp_path, palette, "hidden.png", transparency=palette.getpixel((0, 0)))
    assert corners(decode_one(hidden)) == [WHITE, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, [RED, GREEN, BLUE, WHITE]), (3, [WHITE, BLUE, GREEN, RED]), (6, [BLUE, RED, WHITE, GREEN])],
)
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, expected: list[tuple[int, ...]]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert corners(decode_one(saved(tmp_path, quarters(), exif=exif))) == expected


def test_a_damaged_exif_block_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = saved(tmp_path, quarters(), exif=b"Exif\0\0no block at all")
    assert corners(decode_one(path)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("wide", [True, False])
def test_the_centre_square_is_taken(tmp_path: Path, wide: bool) -> None:
    strip = Image.new("RGB", (48, 16) if wide else (16, 48), RED)
    strip.paste(quarters(), (16, 0) if wide else (0, 16))
    assert corners(decode_one(saved(tmp_path, strip))) == [RED, GREEN, BLUE, WHITE]


def test_shrinking_averages(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 200
    image = decode_one(saved(tmp_path, Image.fromarray(stripes)), 8)
    assert 95 <= image.min() <= image.max() <= 105


def test_growing_keeps_the_corners(tmp_path: Path) -> None:
    assert corners(decode_one(saved(tmp_path, quarters(4)), 16)) == [RED, GREEN, BLUE, WHITE]


def test_large_jpegs_look_as_small_ones_do(tmp_path: Path) -> None:
    image = decode_one(saved(tmp_path, quarters(1024), "large.jpg", quality=95), 16)
    for corner, colour in zip(corners(image), (RED, GREEN, BLUE, WHITE), strict=True):
        assert np.abs(np.subtract(corner, colour)).max() <= 6


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    paths = [str(saved(tmp_path, Image.new("L", (4, 4), index), f"{index}.png")) for index in range(200)]
    assert decode_files(paths, 4)[:, 0, 0, 0].tolist() == list(range(200))


def test_threads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(saved(tmp_path, Image.new("L", (4, 4), index), f"{index}.png")) for index in range(200)]
    expected = decode_files(paths, 4)
    monkeypatch.setattr(decoding, "SMALL_FILE_BYTES", 0)
    monkeypatch.setattr(decoding.os, "cpu_count", lambda: 4)
    assert decoding.threads_for(paths) == 4
    assert np.array_equal(decode_files(paths, 4), expected)


def test_every_broken_file_is_named_at_once(tmp_path: Path) -> None:
    paths = [saved(tmp_path, quarters(), f"{index:03}.jpg") for index in range(150)]

    def said(*broken: int) -> str:
        for index in broken:
            paths[index].write_bytes(paths[index].read_bytes()[:300])
        with pytest.raises(BadInput) as caught:
            decode_files([str(path) for path in paths], 16)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    assert re.match(r"cannot read the image \S*071\.jpg: ", said(71))
    both = said(140)
    assert both.startswith(f"cannot read 2 images below {tmp_path}: 071.jpg, 140.jpg (")
    paths[3].write_bytes(b"no image")
    many = said(*range(4, 30))
    assert many.startswith(f"cannot read 29 images below {tmp_path}: 003.jpg (it is damaged, or no image); 004.jpg, ")
    assert many.endswith("008.jpg and 23 more (Truncated File Read); `seek doctor --data` names every one")


def test_broken_files_of_many_reasons_fit_into_a_line() -> None:
    error = unreadable_images({f"train/cat/{index:03}.png": f"reason {index % 7}" for index in range(700)}, "photos")
    assert len(str(error)) < 500
    assert "and 95 more (reason 2); and 400 more for other reasons; `seek doctor" in str(error)


def test_whoever_watches_is_not_told_that_all_is_decoded_where_a_file_is_broken(tmp_path: Path) -> None:
    paths = [str(saved(tmp_path, Image.new("L", (4, 4), index), f"{index}.png")) for index in range(65)]
    heard: list[int] = []
    decode_files(paths, 4, lambda done, total: heard.append(done))
    assert heard == [64, 65]
    Path(paths[0]).write_bytes(b"no image")
    heard.clear()
    with pytest.raises(BadInput):
        decode_files(paths, 4, lambda done, total: heard.append(done))
    assert heard == [64]


@pytest.mark.parametrize("content", [b"", b"a text file", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM" + bytes(60)])
def test_a_file_that_is_no_image_is_named_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        decode_one(path)
    assert str(caught.value).count("broken.png") == 1


def test_an_image_of_too_many_pixels_says_how_many_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    path = saved(tmp_path, Image.new("L", (40, 40)), "large.png")
    with pytest.raises(BadInput, match=r"large\.png: it has more than 1,000 pixels, the most that are read"):
        decode_one(path)


def test_pixels_without_a_fixed_range_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("F", (4, 4), 0.5), "float.tif")
    with pytest.raises(BadInput, match=r"float\.tif: pixels of mode F have no fixed range"):
        decode_one(path)
