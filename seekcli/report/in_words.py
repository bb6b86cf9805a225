"""What a comparison says, in sentences: which model, how much better, sure or not, at what cost. No arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import X_C, X_Y_B, X_Y_M, Y_C, Accuracy
from seekcli.analysis.prices import prices
from seekcli.analysis.verdicts import UNDECIDED, QuestionFamily
from seekcli.report import tables, wording
from seekcli.report.apart import same_model_notes

# More cells than this: only those are told of which something can be said.
MOST_CELLS, MOST_NAMED = 4, 3
NOTHING = "nothing to compare yet: a base alone and a run of both models are needed"


def in_words(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Sentences under the title of each cell. Of many cells those with a word come first, the others are counted."""
    cells = comparison.cells
    if len(cells) <= MOST_CELLS:
        return [(_title(cell, cells), sentences(cell)) for cell in cells]
    decided = [cell for cell in cells if any(one.verdict.word not in (None, UNDECIDED) for one in _primary(cell))]
    shown = [(_title(cell, cells), sentences(cell)) for cell in decided[:MOST_CELLS]]
    return [*shown, (f"{len(cells)} comparisons", [*_of_all(cells, len(decided), len(shown))])]


def _of_all(cells: Sequence[Cell], decided: int, shown: int) -> list[str]:
    primary = [one for cell in cells for one in _primary(cell)]
    if not primary:
        return [NOTHING]
    lines = [
        _difference(
            "base against base alone, over all of them",
            [one for one in primary if one.scale.metric == metric],
            named=False,
        )
        for metric in dict.fromkeys(one.scale.metric for one in primary)
    ]
    if decided > shown:
        lines.append(f"something is said of {decided - shown} more of them: see the tables, or --where and --by")
    return lines


def _title(cell: Cell, cells: Sequence[Cell]) -> str:
    """With the settings that tell it from another cell of the same title."""
    title = tables.cell_title(cell)
    alike = sum(tables.cell_title(other) == title for other in cells) > 1
    return f"{title}, {wording.settings(cell.marks)}" if alike and cell.marks else title


def sentences(cell: Cell) -> list[str]:
    """Of the base, of the larger model, of whether they are one, and of the cost."""
    base = _primary(cell)
    larger = _of(cell, X_Y_M, Y_C, QuestionFamily.SECOND)
    lines = []
    if base:
        lines.append(_difference("base, alternating, against base alone", base))
        lines += _by_statistics(cell, base)
    if larger:
        lines.append(_difference("larger, alternating, against larger alone", larger))
    if not lines:
        alone = [one for one in cell.contrasts if (one.difference.left, one.difference.right) == (Y_C, X_C)]
        lines += [_difference("larger alone against base alone", alone)] if alone else [NOTHING]
    return [*lines, *same_model_notes(cell), *_cost(cell)]


def _primary(cell: Cell) -> list[Contrast]:
    return _of(cell, X_Y_B, X_C, QuestionFamily.PRIMARY)


def _of(cell: Cell, left: str, right: str, family: QuestionFamily) -> list[Contrast]:
    return [
        one
        for one in cell.contrasts
        if one.family is family and (one.difference.left, one.difference.right) == (left, right)
    ]


def _by_statistics(cell: Cell, base: Sequence[Contrast]) -> list[str]:
    """Said where the statistics of BatchNorm alone move base - base alone out of its interval, by more than the margin.

    A base that rests near the end is measured, as trained, with statistics of weights that it no longer has.
    """
    again = {
        one.arm: one
        for one in _of(cell, X_Y_B, X_C, QuestionFamily.EXPLORATORY)
        if one.accuracy is Accuracy.RECALIBRATED
    }
    moved = [again[one.arm] for one in base if one.arm in again and _is_another(again[one.arm], one)]
    if not moved:
        return []
    listed = "; ".join(f"{one.arm}: {_points(one)}" for one in moved[:MOST_NAMED])
    more = f"; and {len(moved) - MOST_NAMED} more" if len(moved) > MOST_NAMED else ""
    return [
        "that is as trained; with BatchNorm statistics estimated again, as in the models that a run writes, "
        f"base - base alone is another number ({listed}{more})"
    ]


def _is_another(again: Contrast, one: Contrast) -> bool:
    mean, ends = again.difference.mean, one.difference.interval
    inside = ends is not None and ends.low <= mean <= ends.high
    return not inside and abs(mean - one.difference.mean) > one.verdict.margin


def _difference(what: str, found: Sequence[Contrast], named: bool = True) -> str:
    """`base, alternating, against base alone: lower in 1 of 5 arms (loss k=2 paper: -1.62 [..] points); undecided`"""
    by_word: dict[str, list[Contrast]] = {}
    for one in sorted(found, key=lambda one: one.verdict.word in (None, UNDECIDED)):
        by_word.setdefault(wording.verdict(one.verdict), []).append(one)
    again = ", re-estimated" if all(one.accuracy is Accuracy.RECALIBRATED for one in found) else ""
    if len(found) == 1:
        (one,) = found
        return f"{what}{again}: {wording.verdict(one.verdict)}, {_points(one)}, {_seeds(found)}{_shown(found)}"
    parts = [_part(word, rows, f" of {len(found)} arms" if not number else "", named)
             for number, (word, rows) in enumerate(by_word.items())]  # fmt: skip
    return f"{what}{again}: {'; '.join(parts)}; {_seeds(found)}{_shown(found)}"


def _part(word: str, rows: Sequence[Contrast], of_all: str, named: bool) -> str:
    decided = rows[0].verdict.word not in (None, UNDECIDED)
    if named and (len(rows) == 1 or (decided and len(rows) <= MOST_NAMED)):
        listed = "; ".join(f"{one.arm}: {_points(one)}" for one in rows)
        return f"{word} in {len(rows)}{of_all} ({listed})"
    means = sorted(one.difference.mean for one in rows)
    metric = rows[0].scale.metric
    low, high = (wording.points(means[place], metric.digits) for place in (0, -1))
    return f"{word} in {len(rows)}{of_all} ({low if low == high else f'{low} to {high}'} {metric.unit})"


def _points(one: Contrast) -> str:
    return f"{wording.contrast_points(one)} {one.scale.metric.unit}"


def _seeds(found: Sequence[Contrast]) -> str:
    counts = sorted({one.difference.n for one in found})
    if counts == [1]:
        return "1 seed"
    return f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def _shown(found: Sequence[Contrast]) -> str:
    """What the undecided ones could have shown: absence of a word is not absence of a difference."""
    known = [one.precision for one in found if one.verdict.word == UNDECIDED and one.precision is not None]
    if not known:
        return ""
    metric = found[0].scale.metric
    sizes = sorted(f"{one.smallest_difference:.{metric.digits}f}" for one in known)
    span = sizes[0] if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    return f", which find a true difference of {span} {metric.unit} with 80 % power"


def _cost(cell: Cell) -> list[str]:
    """In training FLOPs; the range over arms."""
    if not cell.arms:
        return []
    found = [prices(cell, arm) for arm in cell.arms]
    parts = [
        (_times([1 / one.x_c_over_arm for one in found if one.x_c_over_arm]), "base alone"),
        (_times([1 / one.y_c_over_arm for one in found if one.y_c_over_arm]), "larger alone"),
        (_times([one.arm_over_both_train_flops for one in found if one.arm_over_both_train_flops]), "both alone"),
    ]
    listed = [f"{times} that of {what}" for times, what in parts if times]
    return [f"cost of one run of both models: {', '.join(listed)} (training FLOPs)"] if listed else []


def _times(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    low, high = f"{min(ratios):.2f}", f"{max(ratios):.2f}"
    return f"{low} times" if low == high else f"{low} to {high} times"
