"""The pictures of a report as matplotlib figures, for a notebook: `seekcli.plots.forest("results")`.

Every picture of `seek report` is one function, and all take the same: `paths` and `where` as `seek report` does
(folders or published tables; `where=["k=2"]`), `metric` as its --metric, and `cell`, the number of the pair and its
settings in the report, from 1; it may be left out where there is one. `loss_trace` and `classes` are drawn one an arm:
`arm` is its label, the first arm where it is left out. The figure's label, `figure.get_label()`, says in words what the
figure shows: its text alternative.

All raise BadInput where there is nothing at `paths`, where the runs did not record what is shown, where `cell` or `arm`
is none of those that there are, and for a damaged table.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from seekcli.analysis.cell_records import CellRecords
from seekcli.analysis.comparison import Cell, Comparison, Options, compare_runs
from seekcli.analysis.history import Places
from seekcli.analysis.selection import parse_where
from seekcli.errors import BadInput, unknown
from seekcli.report.figures.canvas import Picture
from seekcli.report.figures.gallery import ONE_AN_ARM, drawn, pictures_of
from seekcli.report.frames import Paths, as_paths
from seekcli.report.tables import cell_title
from seekcli.report.wording import settings
from seekcli.runs.scan import scan_runs

Where = Sequence[str]

__all__ = [
    "accuracy_against_compute",
    "all_figures",
    "around_switches",
    "classes",
    "cost_split",
    "forest",
    "learning_curves",
    "loss_trace",
    "raster",
    "share_by_epoch",
    "usage_by_epoch",
]


def __dir__() -> list[str]:
    return __all__


def forest(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """Paired differences with their intervals, and the difference of each seed."""
    return _figure("forest", paths, where, metric, cell)


def accuracy_against_compute(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """Test accuracy against training FLOPs, with the groups that no other beats at their cost."""
    return _figure("accuracy_against_compute", paths, where, metric, cell)


def learning_curves(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """Test accuracy and training loss by epoch."""
    return _figure("learning_curves", paths, where, metric, cell)


def raster(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """When the larger model was active: a row a run; of one run alone a row an epoch."""
    return _figure("raster", paths, where, metric, cell)


def share_by_epoch(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """The larger model's share of the steps, against what chance or the schedule gives."""
    return _figure("share_by_epoch", paths, where, metric, cell)


def loss_trace(
    paths: Paths = "results",
    where: Where = (),
    *,
    metric: str | None = None,
    cell: int | None = None,
    arm: str | None = None,
) -> Figure:
    """The loss by step of the arm's first seed, shaded where the larger model took the step (the paper's figure 2)."""
    return _figure("loss_trace", paths, where, metric, cell, arm)


def around_switches(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """The loss around the switches, beside base alone where it would have switched."""
    return _figure("around_switches", paths, where, metric, cell)


def usage_by_epoch(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """How much the added blocks do."""
    return _figure("usage_by_epoch", paths, where, metric, cell)


def classes(
    paths: Paths = "results",
    where: Where = (),
    *,
    metric: str | None = None,
    cell: int | None = None,
    arm: str | None = None,
) -> Figure:
    """Differences by class: the arm's base against base alone."""
    return _figure("classes", paths, where, metric, cell, arm)


def cost_split(
    paths: Paths = "results", where: Where = (), *, metric: str | None = None, cell: int | None = None
) -> Figure:
    """Which model or purpose the FLOPs of a run were for."""
    return _figure("cost_split", paths, where, metric, cell)


def all_figures(paths: Paths = "results", where: Where = (), *, metric: str | None = None) -> dict[str, Figure]:
    """Every picture of `seek report`, by its cell and title."""
    comparison, places = _compared(paths, where, metric)
    return {
        f"{number}. {cell_title(cell)}: {picture.title}": _with_words(picture)
        for number, cell in enumerate(comparison.cells, 1)
        for picture in pictures_of(CellRecords(cell, places))
    }


def _compared(paths: Paths, where: Where, metric: str | None) -> tuple[Comparison, Places]:
    runs = scan_runs(as_paths(paths))
    options = Options(metric=metric)
    return compare_runs(runs, parse_where(list(where)), options), {run.run_id: run.path for run in runs}


def _figure(
    name: str, paths: Paths, where: Where, metric: str | None, number: int | None, arm: str | None = None
) -> Figure:
    comparison, places = _compared(paths, where, metric)
    titles = [f"cell={place} ({_cell_words(cell)})" for place, cell in enumerate(comparison.cells, 1)]
    if not titles:
        raise BadInput("no finished run to draw; seek list runs says where each stands")
    if (number is None and len(titles) > 1) or (number is not None and not 1 <= number <= len(titles)):
        raise BadInput(f"{name}: choose one of {', '.join(titles)}")
    cell = comparison.cells[(number or 1) - 1]
    records = CellRecords(cell, places)
    arms = {one.label: one for one in records.alternating}
    if arm is not None and arm not in arms:
        raise unknown(f"{name}: arm", arm, arms)
    # Of what is drawn one an arm, the first of all that recorded it.
    choices = [[arms[arm]]] if arm is not None else [[one] for one in arms.values()]
    for chosen in choices if name in ONE_AN_ARM else [list(arms.values())]:
        if pictures := drawn(name, records, chosen):
            return _with_words(pictures[0])
    raise BadInput(f"{name}: the runs{'' if arm is None else f' of {arm}'} recorded nothing that it could show")


def _cell_words(cell: Cell) -> str:
    """With the settings that tell it from another one of the same pair."""
    return ", ".join(filter(None, (cell_title(cell), settings(cell.marks))))


def _with_words(picture: Picture) -> Figure:
    picture.figure.set_label(picture.alternative)
    return picture.figure
