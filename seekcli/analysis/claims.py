"""The claims of the paper as questions, each with one verdict that follows from the words of the comparison.

No verdict is stronger than the words of the tables: a row that is not read, or exploratory, decides nothing.
Costs are counted, not estimated, and have an interval over runs instead of a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import X_C, X_Y_B, X_Y_M, Y_C, Arm
from seekcli.analysis.power import Decision, decision
from seekcli.analysis.statistics import ALPHA, Interval, paired_difference
from seekcli.analysis.verdicts import (
    BETTER,
    EQUIVALENT,
    EXPLORATORY_ALPHA,
    HINT,
    LEAST_SEEDS_FOR_A_STRONG_WORD,
    LEAST_SEEDS_FOR_A_WORD,
    UNDECIDED,
    WORSE,
    QuestionFamily,
    Unsaid,
    head_of,
)

# Conditions that take batches without looking at the training: what chance, or a clock, would have picked.
CONTROLS = ("matched-count", "random-count", "periodic")
# A control with another number of motivated steps is no control of the condition.
SAME_SHARE_FRACTION = 0.1
CHEAPER, DEARER, AS_DEAR, NOT_AS_OFTEN = "cheaper", "dearer", "as dear", "not as often"


class Question(StrEnum):
    BASE = "Is the base better than base alone?"
    LARGER = "Is the larger model better than larger alone?"
    CHEAPER = "Is one run of both cheaper than larger alone?"
    CONDITION = "Is the condition better than chance at the same count?"
    TWO_FOR_ONE = "Two models for the price of one?"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    MIXED = "depends on the arm"
    HINT = "a hint that it is"
    HINT_OF_WORSE = "a hint that it is worse"
    HINTS = "hints both ways"
    UNDECIDED = "undecided"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Evidence:
    """What one arm says. `against` names the control of a condition; `word` is that of the tables, or why it has none.

    `ratio` is larger alone over the run of both, of a question of cost; `decision` is what the seeds can find.
    """

    arm: str
    word: str
    against: str | None = None
    contrast: Contrast | None = None
    decision: Decision | None = None
    ratio: float | None = None
    ratio_interval: Interval | None = None
    runs: int | None = None


@dataclass(frozen=True)
class Claim:
    """`needs` says of a question without an answer what would decide it, None where it is decided."""

    question: Question
    answer: Answer
    evidence: tuple[Evidence, ...]
    needs: str | None


def claims_of(comparison: Comparison, cell: Cell) -> list[Claim]:
    """One claim a question; of a cell without a run of both models, none."""
    if not cell.arms:
        return []
    alphas = alphas_of(comparison)
    base = _of_difference(cell, alphas, Question.BASE, (X_Y_B, X_C), "base")
    larger = _of_difference(cell, alphas, Question.LARGER, (X_Y_M, Y_C), "motivated")
    cheaper = _cheaper(cell)
    return [base, larger, cheaper, _condition(cell, alphas), _two_for_one(base, larger, cheaper)]


def alphas_of(comparison: Comparison) -> dict[QuestionFamily, float]:
    """What a p value must fall below whatever the other rows of its family say: the first step of Holm's correction."""
    found = {}
    for family in QuestionFamily:
        rows = sum(
            one.family is family and one.difference.n >= LEAST_SEEDS_FOR_A_WORD
            for cell in comparison.cells
            for one in cell.contrasts
        )
        found[family] = (EXPLORATORY_ALPHA if family is QuestionFamily.EXPLORATORY else ALPHA) / max(1, rows)
    return found


def _word(one: Contrast) -> str:
    return one.verdict.word if one.verdict.word is not None else str(one.verdict.unsaid)


def _evidence(arm: str, one: Contrast, alphas: dict[QuestionFamily, float], against: str | None = None) -> Evidence:
    found = decision(one.difference, one.scale.effect, alphas[one.family])
    return Evidence(arm, _word(one), against, one, found, runs=one.difference.n)


def _of_difference(
    cell: Cell, alphas: dict[QuestionFamily, float], question: Question, sides: tuple[str, str], schedule: str
) -> Claim:
    rows = [
        _evidence(arm.label, one, alphas)
        for arm in cell.arms
        for one in cell.contrasts
        if one.arm == arm.label
        and (one.difference.left, one.difference.right) == sides
        and one.family in (QuestionFamily.PRIMARY, QuestionFamily.SECOND)
    ]
    if not rows:
        needs = f"the runs of this pair with --schedule {schedule}, on the same seeds"
        return Claim(question, Answer.NOT_TESTED, (), needs)
    answer = _answer(rows)
    return Claim(question, answer, tuple(rows), _what_decides(answer, rows))


def _answer(rows: Sequence[Evidence]) -> Answer:
    """Of the words of all arms, which hold for all at once: one arm that is better is enough where none is worse."""
    heads = [head_of(word) for word in _words(rows)]
    worse = any(head in WORSE for head in heads)
    if any(head in BETTER for head in heads):
        return Answer.MIXED if worse else Answer.YES
    if all(head in (*WORSE, EQUIVALENT) for head in heads):
        return Answer.NO
    if HINT in heads:
        return _hint(rows)
    if worse or any(head in (UNDECIDED, EQUIVALENT) for head in heads):
        return Answer.UNDECIDED
    return Answer.NOT_TESTED


def _hint(rows: Sequence[Evidence]) -> Answer:
    """A hint has no direction of its own: that of the difference."""
    hints = [row.contrast for row in rows if row.word == HINT and row.contrast is not None]
    found = {one.scale.metric.is_better(one.difference.mean, 0.0) for one in hints}
    if len(found) == 2:
        return Answer.HINTS
    return Answer.HINT if found == {True} else Answer.HINT_OF_WORSE


def _what_decides(answer: Answer, rows: Sequence[Evidence]) -> str | None:
    """Seeds, of the arms that have no answer yet."""
    if answer in (Answer.YES, Answer.NO):
        return None
    found = [row.decision for row in rows if row.decision is not None and not _is_decided(row.word)]
    first = "the base's question of the arms that are not read; then " if Unsaid.NOT_READ in {*_words(rows)} else ""
    if not found:
        few = any(row.runs is not None and row.runs < LEAST_SEEDS_FOR_A_WORD for row in rows)
        return f"{first}at least {LEAST_SEEDS_FOR_A_WORD} common seeds" if few else f"{first}seeds that differ at all"
    needed = [max(one.seeds, LEAST_SEEDS_FOR_A_STRONG_WORD) for one in found]
    low, high = min(needed), max(needed)
    seeds = f"{low:,} seeds" if low == high else f"{low:,} to {high:,} seeds, by arm,"
    unit = next(row.contrast.scale.metric.unit for row in rows if row.contrast is not None)
    return f"{first}{seeds} for a true difference of {found[0].effect:g} {unit} (80 % power, corrected)"


def _words(rows: Sequence[Evidence]) -> list[str]:
    return [row.word for row in rows]


def _is_decided(word: str) -> bool:
    return head_of(word) in (*BETTER, *WORSE, EQUIVALENT)


def _cheaper(cell: Cell) -> Claim:
    """Training FLOPs of larger alone over those of a run that gives both models, with the interval over runs."""
    if cell.y_c is None:
        needs = "the runs of this pair with --schedule motivated; F_Y / F_XY alone is of the forward passes"
        return Claim(Question.CHEAPER, Answer.NOT_TESTED, (), needs)
    rows = [_price_of(arm, cell.y_c.cost.train_flops.mean) for arm in cell.arms]
    words = {row.word for row in rows}
    if words == {CHEAPER}:
        answer = Answer.YES
    elif words <= {DEARER, AS_DEAR}:
        answer = Answer.NO
    else:
        answer = Answer.MIXED if {CHEAPER, DEARER} <= words else Answer.UNDECIDED
    return Claim(Question.CHEAPER, answer, tuple(rows), "more seeds" if answer is Answer.UNDECIDED else None)


def _price_of(arm: Arm, alone: float) -> Evidence:
    cost = arm.base.cost.train_flops
    ratio = alone / cost.mean
    ends = cost.interval
    interval = None if ends is None or ends.low <= 0 else Interval(alone / ends.high, alone / ends.low)
    low, high = (ratio, ratio) if interval is None else (interval.low, interval.high)
    word = CHEAPER if low > 1 else DEARER if high < 1 else AS_DEAR if low == high else UNDECIDED
    return Evidence(arm.label, word, ratio=ratio, ratio_interval=interval, runs=cost.n)


def _condition(cell: Cell, alphas: dict[QuestionFamily, float]) -> Claim:
    """Every arm whose condition looks at the training, against the arms that take as many batches without looking."""
    arms = {arm.label: arm for arm in cell.arms if not arm.grown}
    asked = {label for label, arm in arms.items() if _condition_of(arm) not in CONTROLS}
    rows = []
    for one in cell.contrasts:
        if one.between is None or not asked & {*one.between} or not {*one.between} <= arms.keys():
            continue
        ours, theirs = one.between if one.between[0] in asked else one.between[::-1]
        if _condition_of(arms[theirs]) not in CONTROLS:
            continue
        turned = one if one.between[0] == ours else _turned(one)
        found = _evidence(ours, turned, alphas, theirs)
        rows.append(found if _as_often(arms[ours], arms[theirs]) else replace(found, word=NOT_AS_OFTEN, decision=None))
    controls = "the same runs with --condition matched-count (its counts from these), or periodic at the same share"
    tested = [row for row in rows if row.word != NOT_AS_OFTEN]
    if not tested:
        return Claim(Question.CONDITION, Answer.NOT_TESTED, tuple(rows), controls)
    # These rows are exploratory: at most a hint.
    too_few = {*_words(tested)} == {Unsaid.FEW_SEEDS}
    answer = _hint(tested) if HINT in _words(tested) else Answer.NOT_TESTED if too_few else Answer.UNDECIDED
    return Claim(Question.CONDITION, answer, tuple(rows), _what_decides(answer, tested))


def _condition_of(arm: Arm) -> str:
    return str(arm.base.settings.arm.get("motivation.condition"))


def _as_often(arm: Arm, control: Arm) -> bool:
    ours, theirs = arm.share.observed.mean, control.share.observed.mean
    return abs(theirs - ours) <= SAME_SHARE_FRACTION * ours


def _turned(one: Contrast) -> Contrast:
    """The same comparison with its sides exchanged."""
    found = one.difference
    left, right = (dict(zip(found.seeds, values, strict=True)) for values in (found.left_values, found.right_values))
    turned = paired_difference(found.right, found.left, right, left)
    assert turned is not None
    return replace(one, difference=turned, between=one.between[::-1] if one.between else None)


def _two_for_one(base: Claim, larger: Claim, cheaper: Claim) -> Claim:
    """Of each arm: both models higher than the same one alone, or equivalent, and the run cheaper than larger alone."""
    if Answer.NOT_TESTED in (base.answer, larger.answer, cheaper.answer):
        return Claim(Question.TWO_FOR_ONE, Answer.NOT_TESTED, (), base.needs or larger.needs or cheaper.needs)
    of_base, of_larger, of_cost = ({row.arm: row.word for row in claim.evidence} for claim in (base, larger, cheaper))
    rows = [
        Evidence(arm, _joint(of_base[arm], of_larger[arm], of_cost.get(arm, UNDECIDED)))
        for arm in of_base
        if arm in of_larger
    ]
    words = {row.word for row in rows}
    if words == {"no"}:
        return Claim(Question.TWO_FOR_ONE, Answer.NO, tuple(rows), None)
    if "yes" in words:
        return Claim(Question.TWO_FOR_ONE, Answer.MIXED if "no" in words else Answer.YES, tuple(rows), None)
    word = "higher" if all(_higher_is_better(row) for row in base.evidence) else "better"
    needs = f"the answers above: both models {word} than alone, or equivalent, in one arm"
    return Claim(Question.TWO_FOR_ONE, Answer.UNDECIDED, tuple(rows), needs)


def _higher_is_better(row: Evidence) -> bool:
    return row.contrast is None or row.contrast.scale.metric.higher_is_better


def _joint(base: str, larger: str, cost: str) -> str:
    heads = [head_of(word) for word in (base, larger)]
    if any(head in WORSE for head in heads) or cost == DEARER:
        return "no"
    return "yes" if all(head in (*BETTER, EQUIVALENT) for head in heads) and cost == CHEAPER else UNDECIDED
