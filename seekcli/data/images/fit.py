"""How a photograph of any shape becomes a square: `data.fit`."""

from __future__ import annotations

from PIL import Image

from seekcli.config.value_types import Fit

Box = tuple[float, float, float, float]  # left, top, right, bottom


def square_box(width: int, height: int, fit: Fit) -> Box:
    """What of an image its square shows. Padded it is larger than the image: what is beside the image is black."""
    if fit == "stretch":
        return 0, 0, width, height
    side = max(width, height) if fit == "pad" else min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def box_within(width: int, height: int, fit: Fit, part: Box) -> Box:
    """Where a part of the fitted square lies in the image; the part is in pixels of a square of the longer side."""
    side = max(width, height)
    left, top, right, bottom = square_box(width, height, fit)
    across, down = (right - left) / side, (bottom - top) / side
    return left + part[0] * across, top + part[1] * down, left + part[2] * across, top + part[3] * down


def cut_out(image: Image.Image, box: Box, size: int, resampling: Image.Resampling) -> Image.Image:
    """What the box shows of an RGB or grey image, `size` pixels a side, antialiased at once; black beside it."""
    (left, top, right, bottom), (width, height) = box, image.size
    inside = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if inside == box:
        return image.resize((size, size), resampling, box=box)
    canvas = Image.new(image.mode, (size, size))
    columns = [round((edge - left) * size / (right - left)) for edge in (inside[0], inside[2])]
    rows = [round((edge - top) * size / (bottom - top)) for edge in (inside[1], inside[3])]
    # The longest panorama keeps a line of pixels, where it is in the box at all.
    columns, rows = at_least_one(columns, inside[0] < inside[2], size), at_least_one(rows, inside[1] < inside[3], size)
    if columns[0] < columns[1] and rows[0] < rows[1]:
        shape = columns[1] - columns[0], rows[1] - rows[0]
        canvas.paste(image.resize(shape, resampling, box=inside), (columns[0], rows[0]))
    return canvas


def at_least_one(edges: list[int], shows_some: bool, size: int) -> list[int]:
    first, last = edges
    if last > first or not shows_some:
        return edges
    first = min(first, size - 1)
    return [first, first + 1]
