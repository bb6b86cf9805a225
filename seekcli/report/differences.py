"""The paired differences of a cell as tables: what may be said of each, and what its seeds could have shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from seekcli.analysis.comparison import Cell
from seekcli.analysis.contrasts import Contrast, margin_for
from seekcli.analysis.groups import Accuracy
from seekcli.analysis.metrics import EFFECT_FRACTION, MARGIN_FRACTION
from seekcli.analysis.verdicts import QuestionFamily
from seekcli.report import wording
from seekcli.report.tables import Column, Table, TableRow


def difference_table(cell: Cell) -> Table:
    """Where all rows have the same number of common seeds, the title says it and there is no column for it."""
    counts = {one.difference.n for one in cell.contrasts}
    same = len(counts) == 1
    names = names_of(cell.contrasts)
    columns = (
        Column("difference", numeric=False),
        *(() if same else (Column("n"),)),
        Column(f"{cell.metric.unit} [95% interval]"),
        Column("p"),
        Column("adj. p"),
        Column("word", numeric=False),
    )

    def row(one: Contrast, indent: str) -> TableRow:
        return TableRow((
            f"{indent}{names[id(one)]}",
            *(() if same else (str(one.difference.n),)),
            wording.contrast_points(one),
            wording.p_value(one.difference.p_value),
            wording.p_value(one.verdict.p_adjusted),
            wording.verdict(one.verdict),
        ))  # fmt: skip

    seeds = f"over {wording.seeds(min(counts))}" if same else "over n common seeds"
    metric = cell.metric
    unit = "accuracy points" if metric.of_the_paper else f"{metric.title}, {metric.unit}"
    title = f"Paired differences in {unit}, {seeds}{'; as trained where not said' if metric.of_the_paper else ''}"
    return Table(title, columns, _under_arms(list(cell.contrasts), row))


def precision_table(cell: Cell) -> Table | None:
    """Of the differences that words may follow; None where there is no spread over seeds in any."""
    shown = [
        one for one in cell.contrasts if one.family is not QuestionFamily.EXPLORATORY and one.precision is not None
    ]
    if not shown:
        return None
    floors = {one.checks.sign_flip_floor for one in shown}
    same = len(floors) == 1
    columns = (
        Column("difference", numeric=False),
        Column("sd [95% interval]"),
        Column(f"seeds for {cell.scale.effect:g} {cell.metric.unit}"),
        Column("smallest shown"),
        Column("sign-flip p" if same else "sign-flip p (floor)"),
    )
    floor = f"; sign-flip p is at least {wording.p_value(min(floors))}" if same else ""
    title = f"What the seeds can show with 80 % power in one test{floor}"
    return Table(title, columns, _under_arms(shown, lambda one, indent: _precision_row(one, indent, not same)))


def _under_arms(contrasts: list[Contrast], row: Callable[[Contrast, str], TableRow]) -> tuple[TableRow, ...]:
    """Rows of an arm stand under its name, those of the cell last and without one."""
    rows: list[TableRow] = []
    for label, found in by_arm(contrasts):
        if label is not None:
            rows.append(TableRow((label,), heading=True))
        rows += [row(one, "" if label is None else " ") for one in found]
    return tuple(rows)


def by_arm(contrasts: Sequence[Contrast]) -> list[tuple[str | None, list[Contrast]]]:
    """Those of each arm, in the order of the arms, and last those of the cell, under None."""
    labels = [*dict.fromkeys(one.arm for one in contrasts if one.arm is not None), None]
    found = [(label, [one for one in contrasts if one.arm == label]) for label in labels]
    return [(label, rows) for label, rows in found if rows]


def names_of(contrasts: Sequence[Contrast]) -> dict[int, str]:
    """By the identity of the contrast. Where two would read alike, each says the rest of its arms."""
    short = {id(one): _name(one) for one in contrasts}
    seen = Counter(short[id(one)] for one in contrasts if one.differ_in)
    return {id(one): _name(one, whole=seen[short[id(one)]] > 1) for one in contrasts}


# Of drawn differences: what is so many times farther than the middle one would make dots of all others.
FARTHEST_OF_MEDIAN = 6


def drawn_reach(ends: Sequence[float]) -> float:
    """How far from 0 a drawing of intervals with these ends goes; what lies beyond it has an arrow at the edge."""
    far = sorted(map(abs, ends))
    return min(far[-1], FARTHEST_OF_MEDIAN * far[len(far) // 2]) or far[-1] or 1.0


def _name(one: Contrast, whole: bool = False) -> str:
    left, right = one.difference.left, one.difference.right
    name = wording.between_arms(left, one.differ_in, whole) if one.differ_in else wording.difference(left, right)
    return name if one.accuracy is Accuracy.AS_TRAINED else f"{name}, {one.accuracy}"


def _precision_row(one: Contrast, indent: str, with_floor: bool) -> TableRow:
    found, checks = one.precision, one.checks
    assert found is not None
    assert one.difference.sd is not None
    digits, interval = one.scale.metric.digits, found.sd_interval
    floor = f" ({wording.p_value(checks.sign_flip_floor)})" if with_floor else ""
    return TableRow((
        f"{indent}{_name(one)}",
        f"{one.difference.sd:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]",
        f"{_seeds(found.seeds)} [{_seeds(found.seeds_low)}, {_seeds(found.seeds_high)}]",
        f"{found.smallest_difference:.{digits}f}",
        f"{wording.p_value(checks.sign_flip_p_value)}{floor}",
    ))  # fmt: skip


def _seeds(count: int) -> str:
    """Nobody trains more: the exact number is in the JSON."""
    return str(count) if count < 1000 else ">999"


def margin_note(cell: Cell) -> list[str]:
    """Said where one test image is worth more than the margin that was asked for, and where nobody gave a margin for a
    metric that has none of its own."""
    scale, unit = cell.scale, cell.metric.unit
    if not cell.contrasts:
        return []
    if scale.reference is not None:
        return [
            f"counts as equivalent: within {scale.margin:g} {unit}, {MARGIN_FRACTION:.1%} of the mean of base alone "
            f"({scale.reference:.4g}); of interest: {scale.effect:g} {unit} ({EFFECT_FRACTION:.1%} of it where "
            "--effect says nothing). A choice: --margin and --effect take others"
        ]
    margin = margin_for(scale, cell.test_images)
    if margin == scale.margin:
        return []
    return [f"the margin of equivalence is {margin:.2g} {unit} here, one test image, and not {scale.margin:g}"]
