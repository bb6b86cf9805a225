"""What a difference may be called: families of comparisons, corrected p values, words. Pure functions over p values.

One table is one report: everything that one call of `seek compare` prints, over all of its pairs, data and settings.
A reader scans it as a whole, so the chance of a false word is held for it as a whole.

- The primary family asks one question of every arm: is the alternating base better than the base alone? Holm's
  correction over all arms of the report holds the chance of any false word at 5 %.
- The second family (of each arm, larger - larger alone and larger - its own base) is read only where its arm's primary
  comparison is significant. It is corrected among its own rows, those that are not read included.
- Everything else is exploratory: p value and interval, and at most "hint", which takes a p value below 0.0025 after
  Holm's correction among the exploratory rows. So a report without any effect says a false word in at most 5.25 %.

Equivalence is two one-sided tests (TOST) within a margin, with the same correction in the same families.
Below 3 common seeds there is no word; below 5 none is stronger than "hint". Without spread over seeds the word is
"undecided".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from seekcli.analysis.statistics import ALPHA

LEAST_SEEDS_FOR_A_WORD = 3
LEAST_SEEDS_FOR_A_STRONG_WORD = 5
EXPLORATORY_ALPHA = 0.0025

HIGHER, LOWER, EQUIVALENT, UNDECIDED, HINT = "higher", "lower", "equivalent", "undecided", "hint"
# Of a metric of which less is better, such as a loss.
LOWER_LOSS, HIGHER_LOSS = "lower (better)", "higher (worse)"
BETTER, WORSE = (HIGHER, LOWER_LOSS), (LOWER, HIGHER_LOSS)


class QuestionFamily(StrEnum):
    PRIMARY = "primary"
    SECOND = "second"
    EXPLORATORY = "exploratory"


class Unsaid(StrEnum):
    """Why a comparison has no word."""

    FEW_SEEDS = "under 3 seeds"
    NOT_READ = "not read"
    EXPLORATORY = "exploratory"


@dataclass(frozen=True)
class Hypothesis:
    """One comparison as the words see it; p values are raw, None where there is no spread over the n common seeds.

    `arm` says whose primary comparison opens those of the second family; `equivalence_p_value` is for `margin`.
    """

    family: QuestionFamily
    arm: Hashable
    n: int
    mean: float
    p_value: float | None
    equivalence_p_value: float | None
    margin: float
    higher_is_better: bool = True


@dataclass(frozen=True)
class Verdict:
    """`word` is None where nothing may be said, and `unsaid` then says why.

    The p values are corrected within the family; None for a comparison below 3 seeds, which is in no family.
    """

    word: str | None
    unsaid: Unsaid | None
    p_adjusted: float | None
    equivalence_p_adjusted: float | None
    margin: float

    @property
    def equivalent(self) -> bool:
        """Whether equivalence within the margin is shown, whether or not the family is read for differences."""
        return self.equivalence_p_adjusted is not None and self.equivalence_p_adjusted < ALPHA


def judge(report: Sequence[Hypothesis]) -> list[Verdict]:
    """The verdicts of all comparisons of one report, in their order."""
    adjusted = _by_family(report, [one.p_value for one in report])
    equivalence = _by_family(report, [one.equivalence_p_value for one in report])
    opened = {
        one.arm
        for one, p in zip(report, adjusted, strict=True)
        if one.family is QuestionFamily.PRIMARY and p is not None and p < ALPHA
    }
    return [
        _verdict(one, p, equivalence_p, one.arm in opened)
        for one, p, equivalence_p in zip(report, adjusted, equivalence, strict=True)
    ]


def _by_family(report: Sequence[Hypothesis], p_values: Sequence[float | None]) -> list[float | None]:
    """Corrected within each family. A comparison without spread counts as one, with p = 1."""
    adjusted: list[float | None] = [None] * len(report)
    for family in QuestionFamily:
        members = [
            index for index, one in enumerate(report) if one.family is family and one.n >= LEAST_SEEDS_FOR_A_WORD
        ]
        raw = [p_values[index] for index in members]
        for index, p in zip(members, holm([1.0 if p is None else p for p in raw]), strict=True):
            adjusted[index] = p
    return adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given: all below alpha are rejected at family-wise alpha."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def head_of(word: str) -> str:
    """`higher` of "higher, within 0.2"."""
    return word.partition(",")[0]


def _verdict(one: Hypothesis, p: float | None, equivalence_p: float | None, opened: bool) -> Verdict:
    unsaid = _unsaid(one, p, opened)
    word = None if unsaid else _word(one, p, equivalence_p)
    return Verdict(word, unsaid, p, equivalence_p, one.margin)


def _unsaid(one: Hypothesis, p: float | None, opened: bool) -> Unsaid | None:
    if p is None:
        return Unsaid.FEW_SEEDS
    if one.family is QuestionFamily.SECOND and not opened:
        return Unsaid.NOT_READ
    if one.family is QuestionFamily.EXPLORATORY and p >= EXPLORATORY_ALPHA:
        return Unsaid.EXPLORATORY
    return None


def _word(one: Hypothesis, p: float | None, equivalence_p: float | None) -> str:
    different = p is not None and p < ALPHA
    if one.family is QuestionFamily.EXPLORATORY or one.n < LEAST_SEEDS_FOR_A_STRONG_WORD:
        return HINT if different else UNDECIDED
    within = equivalence_p is not None and equivalence_p < ALPHA
    if not different:
        return EQUIVALENT if within else UNDECIDED
    up, down = (HIGHER, LOWER) if one.higher_is_better else (HIGHER_LOSS, LOWER_LOSS)
    direction = up if one.mean > 0 else down
    return f"{direction}, within {one.margin:.2g}" if within else direction
