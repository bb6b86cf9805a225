"""The pictures of a report as matplotlib figures, for a notebook: `seekcli.plots.forest("results")`.

Each function takes what `seek report` takes and returns one figure for each pair and set of settings, by its title.
All raise BadInput where there is nothing at `paths`, or a table of a run is damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from seekcli.analysis.comparison import Cell, compare_runs
from seekcli.analysis.history import Places, epoch_rows
from seekcli.analysis.selection import parse_where
from seekcli.report.figures import cost, curves, differences, gallery
from seekcli.report.figures.canvas import Picture
from seekcli.report.frames import Paths, as_paths
from seekcli.report.tables import cell_title
from seekcli.runs.scan import scan_runs

Where = Sequence[str]


def forest(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """Paired differences with their intervals."""
    return _of_cells(paths, where, lambda cell, places: differences.forest(cell))


def accuracy_against_compute(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """Test accuracy against training FLOPs, with the groups that no other beats at their cost."""
    return _of_cells(paths, where, lambda cell, places: cost.accuracy_against_compute(cell))


def learning_curves(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """Test accuracy and training loss by epoch."""
    return _of_cells(paths, where, lambda cell, places: curves.learning_curves(cell, epoch_rows(cell.groups, places)))


def share_by_epoch(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """The larger model's share of the steps."""
    return _of_cells(paths, where, lambda cell, places: curves.share_by_epoch(cell, epoch_rows(cell.groups, places)))


def usage_by_epoch(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """How much the added blocks do."""
    return _of_cells(paths, where, lambda cell, places: curves.usage_by_epoch(cell, epoch_rows(cell.groups, places)))


def all_figures(paths: Paths = "results", where: Where = ()) -> dict[str, Figure]:
    """Every picture of `seek report`, by its cell and title."""
    return {
        f"{cell_title(cell)}: {picture.title}": picture.figure
        for cell, places in _cells(paths, where)
        for picture in gallery.pictures_of(cell, places)
    }


def _of_cells(paths: Paths, where: Where, draw: Callable[[Cell, Places], Picture | None]) -> dict[str, Figure]:
    drawn = {cell_title(cell): draw(cell, places) for cell, places in _cells(paths, where)}
    return {title: picture.figure for title, picture in drawn.items() if picture is not None}


def _cells(paths: Paths, where: Where) -> list[tuple[Cell, Places]]:
    runs = scan_runs(as_paths(paths))
    places = {run.run_id: run.path for run in runs}
    return [(cell, places) for cell in compare_runs(runs, parse_where(where)).cells]
