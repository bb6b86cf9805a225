"""When the larger model was active, of all runs together: a row a run, grouped by arm, a column one or more steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap

from seekcli.analysis.activity import StepRow, shares_by_column, steps_per_column
from seekcli.analysis.cell_records import CellRecords
from seekcli.report import wording
from seekcli.report.figures.activity import epochs_raster
from seekcli.report.figures.canvas import (
    FONT_POINTS,
    INK,
    VERMILION,
    WIDEST_OF_ONE,
    Picture,
    blank,
    cut,
    label,
    whole_numbers,
)

ROW_INCHES, AROUND_INCHES = 0.16, 0.75
# Of all arms together: more rows no eye compares.
MOST_ROWS = 60


def raster(records: CellRecords) -> Picture | None:
    """A row a run; of one run alone a row an epoch. None where no run has its steps."""
    arms = {arm.label: arm for arm in records.alternating}
    recorded = {label: records.seeds_with_steps(arm.base) for label, arm in arms.items()}
    chosen = some_of(recorded, MOST_ROWS)
    rows = [row for label, seed in chosen if (row := records.step_row(arms[label], seed)) is not None]
    if len(rows) == 1:
        [only] = rows
        epochs = records.epochs(only.run_id)
        return None if epochs is None else epochs_raster(f"{only.arm}, seed {only.seed}", epochs)
    missing = {label: sorted(set(arm.base.seeds) - set(recorded[label])) for label, arm in arms.items()}
    left_out = {label: [seed for seed in seeds if (label, seed) not in chosen] for label, seeds in recorded.items()}
    notes = [
        f"{len(chosen)} of {sum(map(len, recorded.values()))} runs are drawn; not drawn: {_named(left_out)}."
        if any(left_out.values())
        else "",
        f"Without recorded steps: {_named(missing)}." if any(missing.values()) else "",
    ]
    return runs_raster(rows, " ".join(filter(None, notes))) if rows else None


def some_of(recorded: Mapping[str, Sequence[int]], most: int) -> list[tuple[str, int]]:
    """Of every arm its first seed, then the second, ... until there are so many; in the order of the arms."""
    ranked = [(rank, label, seed) for label, seeds in recorded.items() for rank, seed in enumerate(seeds)]
    chosen = {(label, seed) for _, label, seed in sorted(ranked, key=lambda one: one[0])[:most]}
    return [(label, seed) for _, label, seed in ranked if (label, seed) in chosen]


def _named(seeds: Mapping[str, Sequence[int]]) -> str:
    """`loss k=2 identity: seeds 3-9; loss k=3 identity: seeds 4-9`"""
    return "; ".join(
        f"{label}: seed{'' if len(left) == 1 else 's'} {wording.seed_list(left)}"
        for label, left in seeds.items()
        if left
    )


def runs_raster(rows: Sequence[StepRow], note: str = "") -> Picture:
    """`rows` stand arm by arm; `note` says which runs are not among them."""
    arms = list(dict.fromkeys(row.arm for row in rows))
    per_column = steps_per_column(rows)
    figure, (axes,) = blank(AROUND_INCHES + ROW_INCHES * (len(rows) + len(arms)))
    words = "; ".join(_in_words(arm, [row for row in rows if row.arm == arm]) for arm in arms)
    picture = Picture("activity", "When the larger model was active: a row a run", words, figure, note=note)
    columns = -(-max(len(row.motivated) for row in rows) // per_column)
    empty = [float("nan")] * columns
    cells: list[list[float]] = []
    places = []
    for row, is_first in zip(rows, _begins_arm(rows), strict=True):
        if is_first:
            _name_arm(axes, row.arm, len(cells))
            cells.append(empty)
        shares = shares_by_column(row, per_column)
        places.append(len(cells))
        cells.append([*shares, *empty[len(shares) :]])
    most = max(share for place in places for share in cells[place] if share == share)
    extent = (0.5, columns * per_column + 0.5, len(cells) - 0.5, -0.5)
    shades = _shades()
    # Unsampled in a vector file: `nearest` would draw it anew at 72 dots per inch.
    axes.imshow(cells, aspect="auto", interpolation="none", extent=extent, cmap=shades, vmin=0, vmax=most or 1)
    for row, place in zip(rows, places, strict=True):
        # Seen by nobody: where a mouse is told which run this is.
        picture.tell(axes.axhspan(place - 0.5, place + 0.5, alpha=0, linewidth=0), _of_run(row))
    axes.grid(visible=False)
    axes.set_yticks(places, [f"seed {row.seed}" for row in rows])
    axes.tick_params(axis="y", labelsize=FONT_POINTS - 1, length=0)
    label(axes, _axis_words(per_column, most), "")
    whole_numbers(axes)
    return picture


def _begins_arm(rows: Sequence[StepRow]) -> list[bool]:
    before = [None, *(row.arm for row in rows)]
    return [row.arm != above for row, above in zip(rows, before, strict=False)]


def _name_arm(axes: Axes, arm: str, place: int) -> None:
    axes.text(
        0.005,
        place,
        cut(arm, WIDEST_OF_ONE),
        transform=axes.get_yaxis_transform(),
        va="center",
        color=INK,
        fontsize=FONT_POINTS - 1,
    )


def _axis_words(per_column: int, most: float) -> str:
    if per_column == 1:
        return "step of the run; coloured where the larger model took it"
    return f"step of the run; a column is {per_column} steps, the darkest has {most:.0%} of the larger model's"


def _of_run(row: StepRow) -> str:
    return (
        f"{row.run_id} ({row.arm}, seed {row.seed}): the larger model took {row.share:.2%} of "
        f"{len(row.motivated):,} steps, in {row.turns} turns"
    )


def _in_words(arm: str, rows: Sequence[StepRow]) -> str:
    """`loss k=2 identity, seeds 0-2: 15.90% to 17.10% of the steps, 68 to 75 turns a run`"""
    shares, turns = sorted(row.share for row in rows), sorted(row.turns for row in rows)
    seeds = wording.seed_list([row.seed for row in rows])
    words = f"{arm}, seed{'' if len(rows) == 1 else 's'} {seeds}: the larger model took {shares[0]:.2%}"
    words += f" to {shares[-1]:.2%}" if len(rows) > 1 else ""
    return f"{words} of the steps, in {turns[0]}{f' to {turns[-1]}' if len(rows) > 1 else ''} turns a run"


def _shades() -> Colormap:
    found = LinearSegmentedColormap.from_list("shares", ["#8080802e", VERMILION])
    return found.with_extremes(bad=(0, 0, 0, 0))
