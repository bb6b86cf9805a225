"""A comparison as plain tables of text: what the terminal and the markdown report both show."""

from __future__ import annotations

from dataclasses import dataclass

from seekcli.analysis.comparison import Arm, Cell, Comparison, Group
from seekcli.analysis.runs import LeftOut
from seekcli.analysis.statistics import PairedDifference
from seekcli.report import wording

# Shown in the heading in plain words already.
PLAIN_SETTINGS = ("recipe", "train.epochs", "train.batch_size", "runtime.precision", "runtime.device", "data.name")
LEGEND = (
    "Accuracy is that of the last epoch. ± is the standard deviation over seeds (ddof 1), [ ] a 95 % t interval, "
    "p the two-sided paired t test over common seeds. Seeds needed: to find the observed difference with 80 % power "
    "at p < 0.05, if it is the true one. The noise is unknown with one common seed, or where all differences agree.",
    "Forward cost is in MACs of one image (convolution, linear, matmul, attention). Training FLOPs of a step are "
    "3 x forward x 2 an image; X-Y-B and X-Y-M come out of one run, whose cost stands once. Wall time is measured: "
    "compare it only between runs of one quiet machine.",
)
RATIO_LEGEND = (
    "F_XY is the mean forward cost of training both models in one run. ACC/FLOPs is gain over X-C in accuracy points "
    "per MMAC of extra forward cost. ACC/F_Ratio = (gain of X-Y-B / gain of Y-C) / share: it rewards a large k "
    "mechanically and explodes where the gain of Y-C is small, so read it with the two gains."
)


@dataclass(frozen=True)
class Column:
    header: str
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """Cells of text; a heading row has one cell and names the rows that follow it."""

    cells: tuple[str, ...]
    heading: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def cell_title(cell: Cell) -> str:
    return f"{cell.pair or cell.base or cell.motivated} on {cell.settings.data}"


def cell_settings(cell: Cell) -> str:
    """One line: recipe, epochs, batch, precision, device, and whatever else must be known to read the numbers."""
    common = cell.settings.common
    words = [
        f"recipe {common.get('recipe')}",
        f"{common.get('train.epochs')} epochs",
        f"batch {common.get('train.batch_size')}",
        f"{common.get('runtime.precision')} on {common.get('runtime.device')}",
    ]
    if common.get("data.limit_train"):
        words.append(f"{common['data.limit_train']} training images")
    if common.get("data.image_size"):
        words.append(f"{common['data.image_size']} pixels")
    shown = (*PLAIN_SETTINGS, "data.limit_train", "data.image_size")
    marks = {key: value for key, value in cell.marks.items() if key not in shown}
    return ", ".join([*words, *([wording.settings(marks)] if marks else [])])


def cell_tables(cell: Cell) -> list[Table]:
    tables = [accuracy_table(cell)]
    if cell.differences:
        tables.append(difference_table(cell))
    if cell.arms:
        tables += [share_table(cell), efficiency_table(cell)]
    return tables


def accuracy_table(cell: Cell) -> Table:
    macs, macs_factor = wording.prefix_for([group.forward_macs_per_image for group in cell.groups])
    flops, flops_factor = wording.prefix_for([group.cost.train_flops.mean for group in cell.groups])

    def row(group: Group, indent: str = "", same_run: bool = False) -> Row:
        cost = group.cost
        spent = (wording.scaled(cost.train_flops.mean, flops_factor), wording.duration(cost.epoch_seconds.mean))
        return Row((
            f"{indent}{group.name} {group.model}",
            str(group.accuracy.n),
            wording.seed_list(group.seeds),
            wording.mean_and_sd(group.accuracy),
            wording.scaled(group.forward_macs_per_image, macs_factor),
            *(("same run", "same run") if same_run else spent),
        ))  # fmt: skip

    rows = [row(cell.x_c)] if cell.x_c else []
    for arm in cell.arms:
        rows += [Row((arm.label,), heading=True), row(arm.base, "  "), row(arm.motivated, "  ", same_run=True)]
    rows += [row(cell.y_c)] if cell.y_c else []
    columns = (
        Column("group", numeric=False),
        Column("n"),
        Column("seeds"),
        Column("test accuracy %"),
        Column(f"forward {macs}MACs/image"),
        Column(f"training {flops}FLOPs/run"),
        Column("wall time/run"),
    )
    return Table("Final test accuracy, mean ± sd over seeds, and cost", columns, tuple(rows))


def difference_table(cell: Cell) -> Table:
    rows: list[Row] = []
    for label in [*(arm.label for arm in cell.arms), None]:
        found = [difference for arm_label, difference in cell.differences if arm_label == label]
        if found and label is not None:
            rows.append(Row((label,), heading=True))
        rows += [_difference_row(difference, "" if label is None else "  ") for difference in found]
    columns = (
        Column("difference", numeric=False),
        Column("n"),
        Column("points [95% interval]"),
        Column("p"),
        Column("statement", numeric=False),
        Column("seeds needed"),
    )
    return Table("Paired differences over common seeds, in accuracy points", columns, tuple(rows))


def _difference_row(difference: PairedDifference, indent: str) -> Row:
    needed = difference.seeds_needed
    return Row((
        f"{indent}{difference.left} - {difference.right}",
        str(len(difference.seeds)),
        wording.points_with_interval(difference),
        wording.p_value(difference.p_value),
        difference.verdict,
        wording.NOT_AVAILABLE if needed is None else f"{needed:,}",
    ))  # fmt: skip


def share_table(cell: Cell) -> Table:
    macs, factor = wording.prefix_for([arm.efficiency.f_y_macs_per_image for arm in cell.arms])
    columns = (
        Column("motivation", numeric=False),
        Column("share [95% interval]"),
        Column("expected"),
        Column("F_X"),
        Column("F_XY"),
        Column("F_Y"),
    )
    title = f"Share of motivated steps, and forward cost in {macs}MACs an image"
    return Table(title, columns, tuple(_share_row(arm, factor) for arm in cell.arms))


def _share_row(arm: Arm, factor: float) -> Row:
    measures = arm.efficiency
    outside = " (outside)" if arm.share.expected_inside is False else ""
    return Row((
        arm.label,
        f"{wording.share(arm.share.observed.mean)} {wording.share_interval(arm.share.observed.interval)}",
        f"{wording.share(arm.share.expected)}{outside}",
        wording.scaled(measures.f_x_macs_per_image, factor),
        wording.scaled(measures.f_xy_macs_per_image, factor),
        wording.scaled(measures.f_y_macs_per_image, factor),
    ))  # fmt: skip


def efficiency_table(cell: Cell) -> Table:
    columns = (
        Column("motivation", numeric=False),
        Column("gain X-Y-B"),
        Column("gain Y-C"),
        Column("ACC/FLOPs X-Y-B"),
        Column("ACC/FLOPs Y-C"),
        Column("ACC/F_Ratio"),
    )
    title = "Efficiency: gain over X-C in points, ACC/FLOPs in points per MMAC"
    return Table(title, columns, tuple(_efficiency_row(arm) for arm in cell.arms))


def _efficiency_row(arm: Arm) -> Row:
    measures = arm.efficiency
    return Row((
        arm.label,
        wording.points(measures.gain_x_y_b_points),
        wording.points(measures.gain_y_c_points),
        wording.significant(measures.acc_per_flops_x_y_b),
        wording.significant(measures.acc_per_flops_y_c),
        wording.significant(measures.acc_f_ratio),
    ))  # fmt: skip


def cell_notes(cell: Cell) -> list[str]:
    """The cell's notes, and one for every ratio that is undefined or needs care."""
    remarks: dict[str, list[str]] = {}
    for arm in cell.arms:
        if arm.efficiency.ratio_remark is not None:
            remarks.setdefault(arm.efficiency.ratio_remark, []).append(arm.label)
    every = len(cell.arms)
    ratio_notes = [
        f"ACC/F_Ratio is {remark}" if len(labels) == every else f"ACC/F_Ratio of {', '.join(labels)} is {remark}"
        for remark, labels in remarks.items()
    ]
    return [*cell.notes, *ratio_notes]


def all_notes(comparison: Comparison) -> list[str]:
    """Every note and every run that is not counted, one line each, for formats that have no place for them."""
    of_cells = [f"{cell_title(cell)}: {note}" for cell in comparison.cells for note in cell_notes(cell)]
    return [*of_cells, *comparison.notes, *(f"not counted, {left_out_line(entry)}" for entry in comparison.left_out)]


def legend(comparison: Comparison) -> list[str]:
    if not comparison.cells:
        return []
    return [*LEGEND, RATIO_LEGEND] if any(cell.arms for cell in comparison.cells) else list(LEGEND)


def counts(comparison: Comparison) -> str:
    """`12 runs: 9 finished, 2 stopped, 1 failed`."""
    states: dict[str, int] = {}
    for entry in comparison.left_out:
        states[entry.state] = states.get(entry.state, 0) + 1
    listed = [f"{comparison.runs_finished} finished", *(f"{n} {state}" for state, n in sorted(states.items()))]
    return f"{comparison.runs_found} run{'' if comparison.runs_found == 1 else 's'}: {', '.join(listed)}"


def left_out_line(entry: LeftOut) -> str:
    return f"{entry.state}: {entry.path} ({entry.reason})"
