"""What a report consists of: the tables of each cell, its notes, and the reading notes at its foot.

The terminal and the markdown text show the same page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seekcli.analysis.comparison import PAPER, Cell, Comparison
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import Arm
from seekcli.analysis.metrics import Metric
from seekcli.analysis.statistics import has_spread
from seekcli.analysis.verdicts import HIGHER, HIGHER_LOSS, LOWER, LOWER_LOSS, QuestionFamily
from seekcli.report import apart
from seekcli.report.differences import difference_table, margin_note, precision_table
from seekcli.report.examples import of_examples
from seekcli.report.tables import (
    Table,
    accuracy_table,
    cell_title,
    efficiency_table,
    left_out_line,
    price_table,
    ratio_notes,
    share_table,
)

NAMES = "base alone (the paper's X-C) and larger alone (Y-C) are trained classically."
OF_BOTH = (
    "base, alternating (X-Y-B) and larger, alternating (X-Y-M) come out of one run, whose cost stands once. A line "
    "above them names the motivation condition, k and the start of the added parts."
)
ACCURACY = "Accuracy is that of the last epoch, as trained: with the statistics that training left in the model."
RE_ESTIMATED = (
    "re-estimated: with BatchNorm statistics that were estimated again on training batches, as the models of a run of "
    "both are written. Differences are as trained on both sides, or re-estimated on both where the row says so: those "
    "of the larger model of a run that alternates are wherever both sides have it."
)
OF_METRIC = "{title} is that of the last epoch, of the models as they are written; {direction}."
SPREAD = "± is the standard deviation over seeds (ddof 1)."
SAMPLING = "The sampling error is what another test set of this size would move one accuracy by."
COST = (
    "Forward cost is in MACs of one image (convolution, linear, matmul, attention). Training FLOPs of a step are "
    "3 x forward x 2 an image. Wall time is measured: compare it only between runs of one quiet machine."
)
PAPER_COST = (
    "Forward cost is in the paper's FLOPs of one image: 2 x (convolution and linear MACs + 2 x BatchNorm elements + "
    "ReLU elements + pooled elements). Training FLOPs of a step are 3 x forward MACs x 2 an image, not in that "
    "convention. Wall time is measured: compare it only between runs of one quiet machine."
)
GROWN = (
    "Of a run that grows (grow at=...) the base is trained until the end as base alone is; the larger model branches "
    "off from it late and trains beside it. Nothing alternates. A step is then an update of one model: "
    "after the branch a batch has two, and the share and F_XY count them both."
)
EQUAL = "equal: trained for as long as costs what the run of both models does (X-C=, Y-C=)."
PRICES = (
    "run / both alone: the training FLOPs of one run of both models over those of base alone and larger alone "
    "together, and the same of wall time."
)
SHARE = (
    "F_X, F_Y and F_XY are the forward costs of an image: of the base, of the larger model, and on average over "
    "the run's training images. The share is motivated steps over all steps; its interval is a t interval of its logit "
    "over runs."
)
BY_CHANCE = "Expected is what chance alone would give."
BY_SCHEDULE = "Expected by schedule is what the schedule fixes."
RATIO = (
    "ACC/FLOPs is gain over base alone per million of extra forward cost. ACC/F_Ratio = (gain of base / gain of larger "
    "alone) / share: it rewards a large k mechanically."
)


def words_legend(comparison: Comparison) -> list[str]:
    """What the words mean, with the numbers of this report."""
    rows = [one for cell in comparison.cells for one in cell.contrasts]
    families = Counter(one.family for one in rows)
    primary = families[QuestionFamily.PRIMARY]
    question = (
        f" This report is one table, whatever it holds: its question is base - base alone ({primary} such "
        f"row{'' if primary == 1 else 's'}, corrected together)."
    )
    second = " larger - larger alone and larger - its own base are read only in an arm where that is significant."
    few = [
        text
        for most, text in ((3, "Below 3 seeds there is no word"), (5, "below 5 none but hint"))
        if any(one.difference.n < most for one in rows)
    ]
    exploratory = families[QuestionFamily.EXPLORATORY] > 0
    hint = "An exploratory row is at most a hint, from adj. p < 0.0025. " if exploratory else ""
    return [
        "[ ] is a 95 % interval, p the two-sided paired t test over common seeds, adj. p the same after Holm's "
        f"correction.{question if primary else ''}{second if families[QuestionFamily.SECOND] else ''}"
        f"{' The other rows are exploratory.' if exploratory else ''}",
        f"Words follow adj. p < 0.05: {_words(comparison)}; equivalent: two one-sided tests within "
        f"{_margin(comparison)}, corrected as well; both: {_words(comparison).split(', ')[0]}, within ...; else "
        "undecided, also "
        f"where the seeds show no spread. {_sentence(few)}{hint}Without any effect, a report says more than undecided "
        "or equivalent in at most 5.25 % of cases.",
        *([_of_precision(comparison)] if _has_precision(rows) else []),
    ]


def _words(comparison: Comparison) -> str:
    better = {metric.higher_is_better for metric in comparison.metrics}
    usual, of_losses = f"{HIGHER}, {LOWER}", f"{LOWER_LOSS}, {HIGHER_LOSS}"
    return usual if better == {True} else of_losses if better == {False} else f"{usual}, {of_losses}"


def _margin(comparison: Comparison) -> str:
    scales = {(cell.scale.margin, cell.metric.unit, cell.metric.of_images) for cell in comparison.cells}
    if len(scales) > 1 or any(cell.scale.reference is not None for cell in comparison.cells):
        return "the margin that stands below the tables of each pair (--margin)"
    [(margin, unit, of_images)] = scales
    return f"{margin:g} {unit} (--margin{'; at least one test image' if of_images else ''})"


def _effect(comparison: Comparison) -> str:
    effects = {f"{cell.scale.effect:g} {cell.metric.unit}" for cell in comparison.cells}
    return effects.pop() if len(effects) == 1 else "the difference in the header"


def _sentence(parts: list[str]) -> str:
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}. " if text else ""


def _has_precision(rows: Sequence[Contrast]) -> bool:
    """Whether there is a table of what the seeds can show: see `precision_table`."""
    return any(has_spread(one.difference.sd) for one in rows if one.family is not QuestionFamily.EXPLORATORY)


def _of_precision(comparison: Comparison) -> str:
    return (
        f"Seeds for {_effect(comparison)} (--effect): what one such test needs to find a true "
        "difference of that size, for the sd and for the ends of its interval. Smallest shown: the true difference "
        "that the seeds at hand would find. Sign-flip p needs no normal distribution; with n seeds it cannot fall "
        "below its floor 2/2^n."
    )


def cell_tables(cell: Cell) -> list[Table]:
    return [table for part in tables_by_part(cell).values() for table in part]


def tables_by_part(cell: Cell) -> dict[str, list[Table]]:
    """The tables under the name of the picture that shows the same; `comparison` has none."""
    parts: dict[str, list[Table]] = {"comparison": [accuracy_table(cell)]}
    if cell.contrasts:
        precision = precision_table(cell)
        parts["comparison"].append(difference_table(cell))
        parts["differences"] = [precision] if precision else []
    if cell.arms:
        of_models = apart.apart_table(cell)
        parts["learning-curves"] = [of_models] if of_models else []
        parts["share"] = [share_table(cell)]
        parts["accuracy-against-compute"] = [efficiency_table(cell)] if cell.metric.of_the_paper else []
        parts["cost"] = [price_table(cell)]
    return parts


def cell_notes(cell: Cell) -> list[str]:
    margin = margin_note(cell)
    return [*extended_notes(cell), *apart.same_model_notes(cell), *cell.notes, *margin, *ratio_notes(cell)]


def extended_notes(cell: Cell) -> list[str]:
    """What counts of runs that go on from others."""
    before = cell.settings.common.get("extend.epochs_before")
    if not before:
        return []
    after = "1 epoch" if before == 1 else f"{before} epochs"
    return [f"these runs go on from others after {after} (--extend): costs and times are of what was added"]


def all_notes(comparison: Comparison) -> list[str]:
    """Every note and every run that is not counted, one line each, for formats that have no place for them."""
    of_cells = [f"{cell_title(cell)}: {note}" for cell in comparison.cells for note in cell_notes(cell)]
    return [*of_cells, *comparison.notes, *(f"not counted, {left_out_line(entry)}" for entry in comparison.left_out)]


def legend(comparison: Comparison) -> list[str]:
    """Nothing is explained that no table of this report shows."""
    if not comparison.cells:
        return []
    cost = PAPER_COST if comparison.options.convention == PAPER else COST
    groups = [group for cell in comparison.cells for group in cell.groups]
    arms = [arm for cell in comparison.cells for arm in cell.arms]
    names = [
        *([NAMES] if any(group.arm is None for group in groups) else []),
        *([OF_BOTH] if any(not arm.grown for arm in arms) else []),
        *([GROWN] if any(arm.grown for arm in arms) else []),
    ]
    of_accuracy = any(metric.of_the_paper for metric in comparison.metrics)
    accuracy = " ".join([
        *([ACCURACY] if of_accuracy else []),
        *(_of_metric(metric) for metric in comparison.metrics if not metric.of_the_paper),
        *([RE_ESTIMATED] if any(group.recalibrated for group in groups) else []),
        *([SPREAD] if any(group.final.sd is not None for group in groups) else []),
        *([SAMPLING] if any(group.sampling_error_points is not None for group in groups) else []),
    ])  # fmt: skip
    words = words_legend(comparison) if any(cell.contrasts for cell in comparison.cells) else []
    lines = [" ".join(names), accuracy, cost, *words, *_of_arms(comparison, arms)]
    return [of_examples(line, comparison.cells) for line in lines]


def _of_metric(metric: Metric) -> str:
    title = f"{metric.title[0].upper()}{metric.title[1:]}"
    return OF_METRIC.format(title=title, direction=f"{metric.direction}, {metric.unit}")


def _of_arms(comparison: Comparison, arms: Sequence[Arm]) -> list[str]:
    if not arms:
        return []
    bases = {arm.share.basis for arm in arms if arm.share.expected is not None}
    equal = any(arm.x_c_equal or arm.y_c_equal for arm in arms)
    share = [SHARE, *([BY_CHANCE] if "by chance" in bases else []), *([BY_SCHEDULE] if bases - {"by chance"} else [])]
    return [
        *([apart.LEGEND] if any(apart.apart_table(cell) for cell in comparison.cells) else []),
        " ".join([*([EQUAL] if equal else []), PRICES]),
        " ".join(share),
        *([RATIO] if any(arm.base.metric.of_the_paper for arm in arms) else []),
    ]
