"""The report as files: the page, and its pictures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seekcli import files
from seekcli.analysis.cell_records import CellRecords
from seekcli.analysis.comparison import Comparison
from seekcli.report.figures.canvas import Picture
from seekcli.report.figures.gallery import pictures_of
from seekcli.report.html.page import report_html
from seekcli.report.svg import png_bytes, svg_bytes
from seekcli.runs.scan import RunSummary


@dataclass(frozen=True)
class Written:
    """The page and its pictures, and what is not in them."""

    paths: Sequence[Path]
    notes: Sequence[str]


def write_report(
    comparison: Comparison, runs: Sequence[RunSummary], out: Path, plots: Path | None, title: str
) -> Written:
    """Write the page to `out`, and the pictures into `plots` where it is given.

    A damaged table of steps or classes is left out of the pictures and named: the numbers of the tables are not of it.
    """
    places = {run.run_id: run.path for run in runs}
    damage: dict[str, None] = {}  # in order, each once: a baseline stands beside several arms
    of_cells = [CellRecords(cell, places, lambda error: damage.setdefault(str(error))) for cell in comparison.cells]
    drawn = [pictures_of(records) for records in of_cells]
    notes = [f"not in the pictures: {line}" for line in damage]
    files.write_bytes(out, report_html(comparison, places, drawn, title, notes).encode())
    return Written([out, *([] if plots is None else write_plots(plots, drawn))], notes)


def write_plots(folder: Path, drawn: Sequence[Sequence[Picture]]) -> list[Path]:
    """`1-02-learning-curves.png`: the number of the cell, of the picture in it, and its name."""
    written = []
    for number, pictures in enumerate(drawn, 1):
        for order, picture in enumerate(pictures, 1):
            for suffix, data in ((".png", png_bytes(picture)), (".svg", svg_bytes(picture))):
                written.append(folder / f"{number}-{order:02d}-{picture.name}{suffix}")
                files.write_bytes(written[-1], data)
    return written
