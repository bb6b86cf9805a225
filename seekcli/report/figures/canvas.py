"""What all pictures share: colours that colour-blind readers can tell apart, sizes, and the words that stand for one.

Colours are those of Okabe and Ito (2008). Lines also differ in their dashes, so that a print in grey can be read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from seekcli.errors import visible

if TYPE_CHECKING:
    from matplotlib.artist import Artist

# Text, axes and grid: in the page they take the colour of its text, so that they are read in light and dark.
INK = "#1b1c1d"
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "D", "v", "s")
FILLS = ("full", "none", "left", "bottom")
WIDTH_INCHES = 7.2
FONT_POINTS = 9
# How wide a name may be in a legend of two columns or of one, and beside an axis; and how high a line of a legend is.
WIDEST_OF_TWO, WIDEST_OF_ONE, WIDEST_BESIDE = 215.0, 440.0, 200.0
LEGEND_ROW_INCHES = 0.18
FEW_NAMES = 8  # of a legend of one column


@dataclass
class Picture:
    """A figure, its title, and the sentence that says the same in words. `hover` is what a mouse over a part shows,
    `note` what stands below it: what is not drawn. `arm` is that of a picture that is drawn one an arm."""

    name: str
    title: str
    words: str
    figure: Figure
    hover: dict[str, str] = field(default_factory=dict)
    note: str = ""
    arm: str | None = None
    svg: bytes | None = field(default=None, compare=False, repr=False)  # once it is printed, for a page and a file

    def __post_init__(self) -> None:
        self.title, self.words, self.note = map(visible, (self.title, self.words, self.note))

    @property
    def alternative(self) -> str:
        """For who cannot see it."""
        return f"{self.title}. {self.words}"

    def tell(self, artist: Artist, words: str) -> None:
        """Show `words` where a mouse is over this part of the figure."""
        key = f"hover-{len(self.hover)}"
        artist.set_gid(key)
        self.hover[key] = "\n".join(map(visible, words.split("\n")))


def blank(height_inches: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """A figure of the page's width, and its axes row by row."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for one in axes:
        plain_axes(one)
    return figure, axes


def plain_axes(axes: Axes) -> None:
    axes.patch.set_alpha(0)  # the page or the paper shows through
    axes.tick_params(colors=INK, labelsize=FONT_POINTS)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)


def label(axes: Axes, x: str, y: str, title: str = "") -> None:
    axes.set_xlabel(x, color=INK, fontsize=FONT_POINTS)
    axes.set_ylabel(y, color=INK, fontsize=FONT_POINTS)
    if title:
        axes.set_title(title, color=INK, fontsize=FONT_POINTS + 1, loc="left")


@contextmanager
def text_of_users() -> Iterator[None]:
    """Names are not of this program: a dollar in them begins no formula, and matplotlib's font may lack their script
    (a browser has another one; in a PNG it is a box)."""
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def cut(name: str, most_points: float = WIDEST_BESIDE) -> str:
    """A name as it stands in a picture: a long one ends in dots. The words of the picture have all of it."""
    shown = visible(name)
    while (width := width_points(shown)) > most_points:
        shown = f"{shown[: int(len(shown) * most_points / width) - 1]}…"
    return shown


def width_points(text: str) -> float:
    """Of a name in a legend or beside an axis."""
    found, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=FONT_POINTS - 1), ismath=False)
    return float(found)


def legend(axes: Axes, columns: int | None = None, handles: Sequence[Line2D] | None = None) -> None:
    """Below the figure, which grows by it: of what has a label, or of these handles. In two columns where the names are
    short enough for them, or many and told apart by what stands there of them."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    shown = handles if handles is not None else axes.get_legend_handles_labels()[0]
    names = [str(one.get_label()) for one in shown]
    size = FONT_POINTS - 1
    if columns is None:
        narrow = [cut(name, WIDEST_OF_TWO) for name in names]
        short = all(width_points(name) <= WIDEST_OF_TWO for name in names)
        columns = 2 if short or (len(names) > FEW_NAMES and len(set(narrow)) == len(names)) else 1
    labels = [cut(name, WIDEST_OF_ONE if columns == 1 else WIDEST_OF_TWO) for name in names]
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + LEGEND_ROW_INCHES * -(-len(labels) // columns))
    figure.legend(
        shown, labels, loc="outside lower center", ncols=columns, frameon=False, labelcolor=INK, fontsize=size
    )


def whole_numbers(*axes: Axes) -> None:
    """Epochs and steps have no halves."""
    for one in axes:
        one.xaxis.set_major_locator(whole_ticks())


def whole_ticks(most: int = 9) -> MaxNLocator:
    """One tick is enough: a second one beside a single epoch would be a fraction."""
    return MaxNLocator(most, integer=True, min_n_ticks=1)


def colour(number: int) -> str:
    return CYCLE[number % len(CYCLE)]


def dashes(number: int) -> str:
    return DASHES[number // len(CYCLE) % len(DASHES)]


def fill(number: int) -> str:
    """Of a mark: the seventh arm has the colour of the first."""
    return FILLS[number // len(CYCLE) % len(FILLS)]


def marker(number: int) -> str:
    """Of a line: empty for the first that have a colour."""
    turn = number // len(CYCLE)
    return MARKERS[turn % len(MARKERS)] if turn else ""
