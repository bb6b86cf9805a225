"""All pictures of one cell, in the order of the report, and each by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from seekcli.analysis.activity import AroundSwitch, around_switches, would_be
from seekcli.analysis.cell_records import CellRecords
from seekcli.analysis.groups import Arm
from seekcli.config.layers import DEFAULTS
from seekcli.errors import counted
from seekcli.report.figures import activity, classes, cost, curves, differences, raster
from seekcli.report.figures.canvas import Picture, text_of_users

# Of pictures of steps and classes so many arms are in a report: more of them fill it, and nobody tells them apart.
MOST_ARMS = 8
ONE_AN_ARM = ("loss_trace", "classes")
OF_SOME_ARMS = (*ONE_AN_ARM, "around_switches")
Arms = Sequence[Arm]


def loss_traces(records: CellRecords, arms: Arms) -> list[Picture]:
    """Of each arm the first seed that has its steps."""
    found = []
    for arm in arms:
        runs = records.epochs_by_seed(arm.base)
        if runs:
            seed, first = next(iter(runs.items()))
            found.append(activity.loss_trace(f"{arm.label}, seed {seed}", arm.base.run_by_seed[seed], first))
            found[-1].arm = arm.label
    return found


def around(records: CellRecords, arms: Arms) -> Picture | None:
    """The arms, beside base alone where it would have switched."""
    found: dict[str, Sequence[AroundSwitch]] = {
        arm.label: around_switches(records.epochs_by_seed(arm.base).values()) for arm in arms
    }
    controls = []
    if (alone := records.cell.x_c) is not None:
        runs = records.epochs_by_seed(alone).values()
        for k in sorted({_k(arm) for arm in arms if _condition(arm) == "loss"}):
            controls.append(f"base alone, where loss k={k} would have switched")
            found[controls[-1]] = around_switches(would_be(epochs, k) for epochs in runs)
    return activity.around(found, controls)


def by_class(records: CellRecords, arms: Arms) -> list[Picture | None]:
    alone = records.cell.x_c
    if alone is None or not records.cell.metric.of_the_paper:
        return []
    return [classes.by_class(arm.label, records.class_differences(arm.base, alone)) for arm in arms]


def _condition(arm: Arm) -> str:
    return str(arm.base.settings.arm.get("motivation.condition", DEFAULTS["motivation.condition"]))


def _k(arm: Arm) -> int:
    return int(arm.base.settings.arm.get("motivation.k") or DEFAULTS["motivation.k"])


# By the name of its function in `seekcli.plots`, in the order of the report.
PICTURES: Mapping[str, Callable[[CellRecords, Arms], Sequence[Picture | None]]] = {
    "forest": lambda records, _: [differences.forest(records.cell)],
    "accuracy_against_compute": lambda records, _: [cost.accuracy_against_compute(records.cell)],
    "learning_curves": lambda records, _: [curves.learning_curves(records.cell, records.rows)],
    "raster": lambda records, _: [raster.raster(records)],
    "share_by_epoch": lambda records, _: [curves.share_by_epoch(records.cell, records.rows)],
    "loss_trace": loss_traces,
    "around_switches": lambda records, arms: [around(records, arms)],
    "usage_by_epoch": lambda records, _: [curves.usage_by_epoch(records.cell, records.rows)],
    "classes": by_class,
    "cost_split": lambda records, _: [cost.cost_split(records.cell)],
}


def pictures_of(records: CellRecords) -> list[Picture]:
    """What a cell has the records for. Raises BadInput for a damaged table of epochs."""
    arms, others = records.alternating[:MOST_ARMS], records.alternating[MOST_ARMS:]
    found = []
    for name in PICTURES:
        pictures = drawn(name, records, arms)
        if others and pictures and name in OF_SOME_ARMS:
            labels = "; ".join(arm.label for arm in others)
            note = f"Not drawn, of {counted(len(others), 'other arm')}: {labels}. --where chooses runs."
            pictures[-1].note = " ".join(filter(None, (pictures[-1].note, note)))
        found += pictures
    return found


def drawn(name: str, records: CellRecords, arms: Arms | None = None) -> list[Picture]:
    """Those of one name; empty where the records lack what they show. Some are of arms: of these, or of all."""
    with text_of_users():
        found = PICTURES[name](records, records.alternating if arms is None else arms)
    return [picture for picture in found if picture is not None]
