"""What a model is shown one of, in words: an image, or a window of a text."""

from __future__ import annotations

from collections.abc import Iterable

from seekcli.analysis.comparison import Cell

OF_WINDOWS = (("an image", "a window"), ("images", "windows"), ("image", "window"))


def reads_text(cell: Cell) -> bool:
    return cell.settings.data.startswith("text:")


def of_examples(words: str, cells: Iterable[Cell]) -> str:
    """`words`, which are of images, as they are said of these cells; of both kinds together `image` stands."""
    found = list(cells)
    if found and all(reads_text(cell) for cell in found):
        for image, window in OF_WINDOWS:
            words = words.replace(image, window)
    return words
