"""What a model is shown one of, in words: an image, a window of a text, a row of numbers; else an example."""

from __future__ import annotations

from collections.abc import Iterable

from seekcli.analysis.comparison import Cell
from seekcli.own_loop.names import RECIPE

# One of them with its article, and alone.
IMAGE, WINDOW, ROW, EXAMPLE = ("an image", "image"), ("a window", "window"), ("a row", "row"), ("an example", "example")


def noun_of(cell: Cell) -> tuple[str, str]:
    """What a loop of somebody's own is shown, nobody knows."""
    common = cell.settings.common
    if cell.settings.data.startswith("text:"):
        return WINDOW
    if common.get("data.input_shape") is not None:
        return ROW
    return EXAMPLE if str(common.get("recipe")).startswith(RECIPE) else IMAGE


def of_examples(words: str, cells: Iterable[Cell]) -> str:
    """`words`, which are of images, as they are said of these cells; of several kinds together `example` stands."""
    found = {noun_of(cell) for cell in cells} or {IMAGE}
    with_article, alone = found.pop() if len(found) == 1 else EXAMPLE
    return words.replace(IMAGE[0], with_article).replace(IMAGE[1], alone)
