"""The arrays of a .npz file: read without unpickling, and their images brought to uint8 [N, C, S, S]."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seekcli.config.value_types import Fit
from seekcli.errors import BadInput, MissingData

if TYPE_CHECKING:
    import numpy as np

# Of a file that is damaged or something else.
BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
LAST, FIRST = (1, 3, 4), (1, 3)  # channels behind rows and columns (4: with transparency), or before them


class Header(NamedTuple):
    """What an array is, before its values are read."""

    shape: tuple[int, ...]
    dtype: np.dtype


class ArrayFile:
    """A .npz file. Every method raises BadInput, beginning with `what`, for a file or an array that cannot be read."""

    def __init__(self, file: Path, what: str) -> None:
        self.file, self.what = file, what
        if not file.exists():
            raise MissingData(f"{what}: no such file")
        if file.is_dir():
            raise BadInput(f"{what}: is a folder; name a .npz file in it")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        try:
            with zipfile.ZipFile(self.file) as archive:
                names = archive.namelist()
        except BROKEN as error:
            one = "; it holds a single array: np.savez(FILE, images=..., labels=...) writes several"
            why = one if self.file.suffix == ".npy" else f" ({error})"
            raise BadInput(f"{self.what}: is damaged, or no .npz file{why}") from error
        if twins := [name for name, times in Counter(names).items() if times > 1]:
            raise BadInput(f"{self.what}: {twins[0]} is in it twice")
        return tuple(name.removesuffix(".npy") for name in names)

    def header(self, key: str) -> Header:
        from numpy.lib import format as npy

        try:
            with zipfile.ZipFile(self.file) as archive, archive.open(f"{key}.npy") as stream:
                version = npy.read_magic(stream)
                reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = reader(stream)
        except BROKEN as error:
            raise BadInput(f"{self.what}: {key} is damaged, or no array ({error})") from error
        if dtype.hasobject:
            raise BadInput(
                f"{self.what}: {key} holds Python objects, which are not unpickled; save it as plain numbers, or as "
                "texts by .astype(str)"
            )
        return Header(shape, dtype)

    def read(self, key: str) -> np.ndarray:
        from numpy.lib import format as npy

        self.header(key)
        try:
            with zipfile.ZipFile(self.file) as archive, archive.open(f"{key}.npy") as stream:
                found: np.ndarray = npy.read_array(stream, allow_pickle=False)
                return found
        except BROKEN as error:
            raise BadInput(f"{self.what}: {key} is damaged ({error})") from error


class Axes(NamedTuple):
    """How the axes of an array of images are meant: [N, H, W], [N, H, W, C] or [N, C, H, W]."""

    images: int
    height: int
    width: int
    stored_channels: int  # 0 where the array has no axis for them
    channels_first: bool = False

    @property
    def channels(self) -> int:
        """Those that a model sees."""
        return 3 if self.stored_channels == 4 else self.stored_channels or 1

    @property
    def side(self) -> int:
        return min(self.height, self.width)

    @property
    def shape_of_an_image(self) -> str:
        return f"{self.height}x{self.width} in {self.stored_channels or 1} channel{'s' * (self.stored_channels > 1)}"


def axes_of(header: Header, what: str) -> Axes:
    """Raises BadInput for a shape or a type that is of no images, and for one that may be meant in two ways."""
    shape = header.shape
    if header.dtype.kind not in "biuf":
        raise BadInput(f"{what}: images of type {header.dtype}: numbers are needed, uint8 0..255 or floats 0..1")
    if len(shape) not in (3, 4) or 0 in shape:
        raise BadInput(f"{what}: images of shape {list(shape)}: [N, H, W], [N, H, W, C] or [N, C, H, W] is needed")
    if len(shape) == 3:
        return Axes(*shape, 0)
    found = [Axes(shape[0], shape[1], shape[2], shape[3])] if shape[3] in LAST else []
    found += [Axes(shape[0], shape[2], shape[3], shape[1], True)] if shape[1] in FIRST else []
    if len(found) > 1:
        found = [axes for axes in found if axes.height == axes.width] or found
    if not found:
        raise BadInput(f"{what}: images of shape {list(shape)}: 1 or 3 channels are needed (4 with transparency)")
    if len(found) > 1 and shape[1:] != (1, 1, 1):
        raise BadInput(
            f"{what}: images of shape {list(shape)} may be [N, H, W, C] or [N, C, H, W]: there is no telling which"
        )
    return found[0]


def one_range(arrays: Mapping[str, np.ndarray], what: str) -> float:
    """What the values of all images are multiplied by to be 0..255: 255 for floats of 0..1 and booleans, else 1.

    Raises BadInput, naming the array, for values below 0, above 255, or between whole numbers above 1.
    """
    import numpy as np

    highest = 0.0
    for key, values in arrays.items():
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all() or np.isnan(values).any():
            raise BadInput(f"{what}: {key} has values that are not finite")
        if low < 0 or high > 255:
            raise BadInput(
                f"{what}: {key} has values from {low:g} to {high:g}: 0..255, or 0..1 as floats, is needed (images as "
                "they are, not normalised)"
            )
        highest = max(highest, high)
    kinds = {values.dtype.kind for values in arrays.values()}
    if kinds <= {"b"} or (kinds <= {"f"} and highest <= 1):
        return 255.0
    for key, values in arrays.items():
        if values.dtype.kind == "f" and (values != np.floor(values)).any():
            raise two_ranges(key, values, arrays, what)
    return 1.0


def two_ranges(key: str, values: np.ndarray, arrays: Mapping[str, np.ndarray], what: str) -> BadInput:
    """`values` under `key` are floats that are not whole: above 1, or beside an array of 0..255."""
    high = float(values.max())
    if high > 1:
        return BadInput(f"{what}: {key} has floats up to {high:g}: 0..1, or whole numbers 0..255, are needed")
    other = next(one for one, found in arrays.items() if found.dtype.kind != "f" or found.max() > 1)
    return BadInput(
        f"{what}: {key} has floats up to {high:g} and {other} values up to {float(arrays[other].max()):g}: all 0..1 as "
        "floats, or all 0..255, are needed"
    )


def as_uint8(values: np.ndarray, axes: Axes, scale: float, size: int, fit: Fit) -> np.ndarray:
    """Images uint8 [N, C, S, S]: as they are where they have this size, else by Pillow as photographs are."""
    import numpy as np
    from PIL import Image

    from seekcli.data.images.decoding import as_rgb, as_square

    if values.dtype != np.uint8:
        values = (np.round(values * scale) if scale != 1 else values).astype(np.uint8)
    if axes.stored_channels == 0:
        values = values[:, :, :, None]
    elif axes.channels_first:
        values = values.transpose(0, 2, 3, 1)
    if values.shape[1:3] == (size, size) and values.shape[3] != 4:
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    out = np.empty((len(values), axes.channels, size, size), dtype=np.uint8)
    for target, image in zip(out, values, strict=True):
        grey = image.shape[2] == 1
        picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if grey else image))
        pixels = np.asarray(as_square(picture if grey else as_rgb(picture), size, fit))
        target[:] = pixels[None] if grey else pixels.transpose(2, 0, 1)
    return out
