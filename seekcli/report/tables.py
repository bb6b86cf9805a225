"""A comparison as plain tables of text: what the terminal and the markdown report both show."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from seekcli.analysis.comparison import MACS, Cell, Comparison
from seekcli.analysis.efficiency import NOT_MEANINGFUL
from seekcli.analysis.groups import Arm, Group
from seekcli.analysis.left_out import LeftOut
from seekcli.analysis.prices import prices
from seekcli.report import wording
from seekcli.report.examples import of_examples

# Shown in the heading in plain words already.
PLAIN_SETTINGS = (
    "recipe",
    "train.epochs",
    "train.steps",
    "train.batch_size",
    "runtime.precision",
    "runtime.device",
    "data.name",
)


@dataclass(frozen=True)
class Column:
    header: str
    numeric: bool = True


@dataclass(frozen=True)
class TableRow:
    """Cells of text; a heading row has one cell and names the rows that follow it."""

    cells: tuple[str, ...]
    heading: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]


def cell_title(cell: Cell) -> str:
    """The pair; of a model that was trained alone its own name. And the data, where that is not known by contents.

    Of smoke runs it says first that they are no result.
    """
    alone = next((group.model for group in cell.groups), cell.base or cell.motivated)
    sizes = " (known by names and sizes)" if cell.settings.data_known_by == "names and sizes" else ""
    smoke = "smoke (no result): " if cell.settings.common.get("smoke") else ""
    return f"{smoke}{cell.pair or alone} on {cell.settings.data}{sizes}"


def cell_settings(cell: Cell) -> str:
    """One line: recipe, epochs, batch, precision, device, and whatever else must be known to read the numbers."""
    common = cell.settings.common
    words = [
        f"recipe {common.get('recipe')}",
        cell.settings.length,
        f"batch {common.get('train.batch_size')}",
        f"{common.get('runtime.precision')} on {common.get('runtime.device')}",
    ]
    if common.get("data.limit_train"):
        words.append(of_examples(f"{common['data.limit_train']} training images", [cell]))
    if (shape := common.get("data.input_shape")) is not None:
        words.append(f"rows of {'x'.join(map(str, shape))} numbers")
    elif common.get("data.image_size"):
        words.append(f"{common['data.image_size']} pixels")
    shown = (*PLAIN_SETTINGS, "data.limit_train", "data.image_size", "data.input_shape", "smoke")
    marks = {key: value for key, value in cell.marks.items() if key not in shown}
    return ", ".join([*words, *([wording.settings(marks)] if marks else [])])


def test_set(cell: Cell) -> str:
    """`360 test images: one is 0.28 points; sampling error of one accuracy 0.55 to 0.60 points`; of another metric than
    accuracy, which it is."""
    images = cell.test_images
    if not cell.metric.of_the_paper:
        shown = "" if images is None else of_examples(f"; {images:,} test images", [cell])
        return f"compared by {cell.metric.column}, {cell.metric.direction}{shown}"
    errors = sorted(one.sampling_error_points for one in cell.groups if one.sampling_error_points is not None)
    if images is None or not errors:
        return of_examples("the number of test images is not recorded", [cell])
    low, high = f"{errors[0]:.2f}", f"{errors[-1]:.2f}"
    error = low if low == high else f"{low} to {high}"
    shown = of_examples(f"{images:,} test images", [cell])
    return f"{shown}: one is {100 / images:.2g} points; sampling error of one accuracy {error} points"


def unit(cell: Cell) -> str:
    return "MACs" if cell.convention == MACS else "FLOPs"


def accuracy_table(cell: Cell) -> Table:
    """Re-estimated accuracies have a column where some group has them."""
    recalibrated = any(group.recalibrated for group in cell.groups)
    forward, forward_factor = wording.prefix_for([group.forward_per_image for group in cell.groups])
    flops, flops_factor = wording.prefix_for([group.cost.train_flops.mean for group in cell.groups])

    def row(
        group: Group, indent: str = "", same_run: bool = False, ratio: float | None = None, grown: bool = False
    ) -> TableRow:
        cost = group.cost
        spent = (wording.scaled(cost.train_flops.mean, flops_factor), wording.duration(cost.epoch_seconds.mean))
        again = (wording.NOT_AVAILABLE if group.recalibrated is None else wording.final(group, recalibrated=True),)
        return TableRow((
            f"{indent}{wording.group(group.name, grown)}{'' if ratio is None else f' ({ratio:.4f} of the cost)'}",
            str(group.final.n),
            wording.seed_list(group.seeds),
            wording.final(group),
            *(again if recalibrated else ()),
            wording.scaled(group.forward_per_image, forward_factor),
            *(("same run", "same run") if same_run else spent),
        ))  # fmt: skip

    rows = [row(cell.x_c)] if cell.x_c else []
    for arm in cell.arms:
        rows += [TableRow((arm.label,), heading=True), row(arm.base, " ", grown=arm.grown)]
        rows += [row(arm.motivated, " ", same_run=True, grown=arm.grown)]
        equal = (arm.x_c_equal, arm.y_c_equal)
        rows += [row(group, " ", ratio=arm.cost_ratio(group)) for group in equal if group is not None]
    rows += [row(cell.y_c)] if cell.y_c else []
    columns = (
        Column("group", numeric=False),
        Column("n"),
        Column("seeds"),
        Column(wording.metric_header(cell.metric)),
        *((Column("re-estimated %"),) if recalibrated else ()),
        Column(f"forward {forward}{unit(cell)}"),
        Column(f"training {flops}FLOPs"),
        Column("wall time"),
    )
    metric = cell.metric
    what = "test accuracy as trained" if metric.of_the_paper else f"{metric.title} ({metric.direction})"
    title = f"Final {what}, mean ± sd over seeds; cost: {of_examples('forward of an image', [cell])}, training of a run"
    return Table(title, columns, tuple(rows))


def price_table(cell: Cell) -> Table:
    """What the models alone cost against an alternating run, and one such run against the two of them."""
    columns = (
        Column("motivation", numeric=False),
        Column("F_Y / F_XY"),
        Column("base alone"),
        Column("base, equal"),
        Column("larger alone"),
        Column("larger, equal"),
        Column("run / both alone"),
        Column("the same in time"),
    )
    rows = [
        TableRow((arm.label, *(wording.ratio(value) for value in astuple(prices(cell, arm))))) for arm in cell.arms
    ]  # fmt: skip
    return Table("Training FLOPs of the models alone over those of the run of both", columns, tuple(rows))


def share_table(cell: Cell) -> Table:
    prefix, factor = wording.prefix_for([arm.efficiency.f_y for arm in cell.arms])
    bases = {arm.share.basis for arm in cell.arms if arm.share.expected is not None}
    one_basis = len(bases) == 1
    columns = (
        Column("motivation", numeric=False),
        Column("share [95% interval]"),
        Column(f"expected {bases.pop().replace('its ', '')}" if one_basis else "expected"),
        Column("F_X"),
        Column("F_XY"),
        Column("F_Y"),
    )
    title = of_examples(f"Share of motivated steps, and forward cost in {prefix}{unit(cell)} an image", [cell])
    return Table(title, columns, tuple(_share_row(arm, factor, not one_basis) for arm in cell.arms))


def _share_row(arm: Arm, factor: float, with_basis: bool) -> TableRow:
    measures = arm.efficiency
    outside = " (outside)" if arm.share.expected_inside is False else ""
    return TableRow((
        arm.label,
        f"{wording.share(arm.share.observed.mean)} {wording.share_interval(arm.share.observed.interval)}",
        f"{wording.share_words(arm.share, with_basis)}{outside}",
        wording.scaled(measures.f_x, factor),
        wording.scaled(measures.f_xy, factor),
        wording.scaled(measures.f_y, factor),
    ))  # fmt: skip


def efficiency_table(cell: Cell) -> Table:
    columns = (
        Column("motivation", numeric=False),
        Column("gain base"),
        Column("gain larger alone"),
        Column("ACC/FLOPs base"),
        Column("ACC/FLOPs larger alone"),
        Column("ACC/F_Ratio"),
    )
    title = f"Efficiency: gain over base alone in points, ACC/FLOPs in points per million {unit(cell)}"
    return Table(title, columns, tuple(_efficiency_row(arm) for arm in cell.arms))


def _efficiency_row(arm: Arm) -> TableRow:
    measures = arm.efficiency
    noise = (measures.ratio_remark or "").startswith(NOT_MEANINGFUL)
    return TableRow((
        arm.label,
        wording.points(measures.gain_x_y_b),
        wording.points(measures.gain_y_c),
        wording.significant(measures.acc_per_flops_x_y_b),
        wording.significant(measures.acc_per_flops_y_c),
        NOT_MEANINGFUL if noise else wording.significant(measures.acc_f_ratio),
    ))  # fmt: skip


def ratio_notes(cell: Cell) -> list[str]:
    """One note for every reason why a ratio is undefined or needs care."""
    remarks: dict[str, list[str]] = {}
    for arm in cell.arms:
        if arm.efficiency.ratio_remark is not None:
            remarks.setdefault(arm.efficiency.ratio_remark, []).append(arm.label)
    every = len(cell.arms)
    if not cell.metric.of_the_paper:
        return []
    return [
        f"ACC/F_Ratio is {remark}" if len(labels) == every else f"ACC/F_Ratio of {', '.join(labels)} is {remark}"
        for remark, labels in remarks.items()
    ]


def ways_of(cell: Cell) -> list[tuple[str, Group]]:
    """Each way of training with its name: both models of an arm come out of one run."""
    found = [(wording.group(cell.x_c.name), cell.x_c)] if cell.x_c else []
    for arm in cell.arms:
        found.append((f"both [{arm.label}]", arm.base))
        found += [(wording.group_title(one), one) for one in (arm.x_c_equal, arm.y_c_equal) if one is not None]
    return [*found, *([(wording.group(cell.y_c.name), cell.y_c)] if cell.y_c else [])]


def counts(comparison: Comparison) -> str:
    """`12 runs: 9 finished, 2 stopped, 1 failed`."""
    states: dict[str, int] = {}
    for entry in comparison.left_out:
        states[entry.state] = states.get(entry.state, 0) + 1
    listed = [f"{comparison.runs_finished} finished", *(f"{n} {state}" for state, n in sorted(states.items()))]
    return f"{comparison.runs_found} run{'' if comparison.runs_found == 1 else 's'}: {', '.join(listed)}"


def left_out_line(entry: LeftOut) -> str:
    return f"{entry.state}: {entry.path} ({entry.reason})"
