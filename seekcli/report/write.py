"""The report as files: the page, and its pictures as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seekcli import files
from seekcli.analysis.comparison import Comparison
from seekcli.report.figures.canvas import Picture
from seekcli.report.figures.gallery import pictures_of
from seekcli.report.html.page import report_html
from seekcli.report.svg import png_bytes, svg_bytes
from seekcli.runs.scan import RunSummary


def write_report(
    comparison: Comparison, runs: Sequence[RunSummary], out: Path, plots: Path | None, title: str
) -> list[Path]:
    """Write the page to `out`, and the pictures into `plots` where it is given; the paths written."""
    places = {run.run_id: run.path for run in runs}
    drawn = [pictures_of(cell, places) for cell in comparison.cells]
    files.write_bytes(out, report_html(comparison, places, drawn, title).encode())
    return [out, *([] if plots is None else write_plots(plots, drawn))]


def write_plots(folder: Path, drawn: Sequence[Sequence[Picture]]) -> list[Path]:
    """`1-02-learning-curves.png`: the number of the cell, of the picture in it, and its name."""
    written = []
    for number, pictures in enumerate(drawn, 1):
        for order, picture in enumerate(pictures, 1):
            for suffix, data in ((".png", png_bytes(picture)), (".svg", svg_bytes(picture))):
                written.append(folder / f"{number}-{order:02d}-{picture.name}{suffix}")
                files.write_bytes(written[-1], data)
    return written
