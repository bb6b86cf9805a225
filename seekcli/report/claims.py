"""`seek compare --claims`: the claims of the paper, each with a verdict, what it rests on and what would decide it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from seekcli import plain_data
from seekcli.analysis.claims import Answer, Claim, Evidence, Question, claims_of
from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.groups import X_Y_B, Accuracy
from seekcli.analysis.metrics import Scale
from seekcli.analysis.power import Decision
from seekcli.analysis.verdicts import UNDECIDED, Unsaid
from seekcli.report import wording
from seekcli.report.data import asked_scale, contrast_data, in_unit
from seekcli.report.tables import Column, Table, TableRow

CLAIMS_FORMAT = 1
OPEN = (UNDECIDED, *Unsaid)
MANY_SEEDS = 1000  # nobody trains as many: how many more is no answer
NO_ARM = "no run of both models: nothing of the paper is asked here"
LEGEND = [
    "A verdict follows the words of the tables of seek compare and is never stronger: where one arm's base is "
    "{better} and none is {worse}, yes; where all are {worse} or equivalent, no. not read: the base's question of that "
    "arm comes first and is not answered. under 3 seeds: no word.",
    "Power: the chance that these seeds find a true difference of that size, and seeds: how many find it with 80 % "
    "power; both in one two-sided test at the first step of Holm's correction over all rows of this report, for the "
    "sd and, in brackets, for the ends of its 95 % interval. Fewer arms in one report (--where) need fewer seeds.",
]
OF_COST = (
    "cheaper: training FLOPs of larger alone over those of one run of both models are above 1, with the interval over "
    "runs. They are counted, so that no test is made. Evaluation and re-estimation are not in them."
)
OF_CONDITION = (
    "The condition is asked against arms that take as many batches without looking at the training: matched-count, "
    "random-count or periodic with a share within 10 % of its own; others are not as often. These rows are "
    "exploratory: at most a hint that it is better, or worse."
)
OF_TWO = (
    "Two for one, yes: in one arm both models are {better} than alone or equivalent, and the run is cheaper than "
    "larger alone. no: one of them is {worse}, or the run is dearer."
)
TITLES = {question: f"{number}. {question}" for number, question in enumerate(Question, 1)}


def claim_title(claim: Claim) -> str:
    """`1. Is the base better than base alone? undecided (lower in 1 of 5 arms, undecided in 4)`."""
    return f"{TITLES[claim.question]} {_answer_words(claim)}"


def claim_table(claim: Claim, scale: Scale) -> Table | None:
    """The evidence of a claim; None where there is none. The title holds question and answer."""
    if not claim.evidence:
        return None
    name, word = Column("motivation", numeric=False), Column("word", numeric=False)
    if claim.question is Question.TWO_FOR_ONE:
        columns: tuple[Column, ...] = (name, word)
        rows = [TableRow((row.arm, row.word)) for row in claim.evidence]
    elif claim.question is Question.CHEAPER:
        columns = (name, Column("n"), Column("larger alone / run of both [95% interval]"), word)
        rows = [_row_of_cost(row) for row in claim.evidence]
    else:
        again = all(row.contrast and row.contrast.accuracy is Accuracy.RECALIBRATED for row in claim.evidence)
        unit = scale.metric.unit
        points = Column(f"{'re-estimated ' if again else ''}{unit} [95% interval]")
        columns = (name, Column("n"), points, word, Column(f"power for {scale.effect:g} {unit}"), Column("seeds"))
        rows = [_row_of_points(row, not again) for row in claim.evidence]
    return Table(claim_title(claim), columns, tuple(rows))


def _answer_words(claim: Claim) -> str:
    counts: dict[str, int] = {}
    for row in sorted(claim.evidence, key=lambda row: row.word in OPEN):
        counts[row.word] = counts.get(row.word, 0) + 1
    if claim.question is Question.CONDITION:
        return str(claim.answer)
    total = len(claim.evidence)
    if total < 2 or claim.question is Question.TWO_FOR_ONE:
        return str(claim.answer)
    if claim.question is Question.CHEAPER and claim.answer is Answer.YES:
        ratios = sorted(f"{row.ratio:.2f}" for row in claim.evidence)
        return f"yes, {ratios[0]} times" if ratios[0] == ratios[-1] else f"yes, {ratios[0]} to {ratios[-1]} times"
    listed = [f"{word} in {count}{f' of {total} arms' if not number else ''}"
              for number, (word, count) in enumerate(counts.items())]  # fmt: skip
    return f"{claim.answer} ({', '.join(listed)})"


def _row_of_points(row: Evidence, say_which: bool) -> TableRow:
    """`say_which`: whether the name says that the accuracies are re-estimated."""
    assert row.contrast is not None
    one, found = row.contrast, row.decision
    larger = "" if row.against is None else "base" if one.difference.left.startswith(X_Y_B) else "larger"
    name = row.arm if row.against is None else f"{larger}: {row.arm} - {row.against}"
    name += ", re-estimated" if say_which and one.accuracy is Accuracy.RECALIBRATED else ""
    power = seeds = wording.NOT_AVAILABLE
    if found is not None:
        power = f"{found.power:.0%} [{found.power_low:.0%}, {found.power_high:.0%}]"
        seeds = seeds_words(found)
    return TableRow((name, str(one.difference.n), wording.contrast_points(one), row.word, power, seeds))


def _row_of_cost(row: Evidence) -> TableRow:
    assert row.ratio is not None
    ends = row.ratio_interval
    interval = f"[{wording.NOT_AVAILABLE}]" if ends is None else f"[{ends.low:.3f}, {ends.high:.3f}]"
    return TableRow((row.arm, str(row.runs), f"{row.ratio:.3f} {interval}", row.word))


def seeds_words(found: Decision) -> str:
    """`46 [24, 140]`; `>999` alone where the interval says no more."""
    known, low, high = map(_seeds, (found.seeds, found.seeds_low, found.seeds_high))
    return known if known == low == high == _seeds(MANY_SEEDS) else f"{known} [{low}, {high}]"


def _seeds(count: int) -> str:
    return str(count) if count < MANY_SEEDS else f">{MANY_SEEDS - 1}"


def shown_claims(comparison: Comparison, cell: Cell) -> list[tuple[str, Table | None, list[str]]]:
    """Title, table and what would decide it of each claim, in the order of the questions."""
    return [
        (claim_title(claim), claim_table(claim, cell.scale), _needs(claim)) for claim in claims_of(comparison, cell)
    ]


def _needs(claim: Claim) -> list[str]:
    return [f"What would decide it: {claim.needs}."] if claim.needs else []


def legend(comparison: Comparison) -> list[str]:
    claims = [claim for cell in comparison.cells for claim in claims_of(comparison, cell) if claim.evidence]
    there = {claim.question for claim in claims}
    usual = all(metric.higher_is_better for metric in comparison.metrics)
    words = {"better": "higher", "worse": "lower"} if usual else {"better": "better", "worse": "worse"}
    of_words = [line.format(**words) for line in LEGEND]
    return [
        *(of_words if there & {Question.BASE, Question.LARGER, Question.CONDITION} else []),
        *([OF_COST] if Question.CHEAPER in there else []),
        *([OF_CONDITION] if Question.CONDITION in there else []),
        *([OF_TWO.format(**words)] if Question.TWO_FOR_ONE in there else []),
    ]


def claims_json(comparison: Comparison) -> str:
    return plain_data.json_text(claims_data(comparison), indent=2)


def claims_data(comparison: Comparison) -> dict[str, Any]:
    return {
        "format_version": CLAIMS_FORMAT,
        **asked_scale(comparison),
        "cells": [
            {
                "pair": cell.pair,
                "data": cell.settings.data,
                "metric": cell.metric.column,
                "settings_worth_naming": dict(cell.marks),
                "claims": [_claim_data(claim) for claim in claims_of(comparison, cell)],
            }
            for cell in comparison.cells
        ],
    }


def _claim_data(claim: Claim) -> dict[str, Any]:
    return {
        "question": str(claim.question),
        "verdict": str(claim.answer),
        "what_would_decide_it": claim.needs,
        "evidence": [_evidence_data(row) for row in claim.evidence],
    }


def _evidence_data(row: Evidence) -> dict[str, Any]:
    ends = row.ratio_interval
    return {
        "arm": row.arm,
        "against": row.against,
        "word": row.word,
        "runs": row.runs,
        "larger_alone_over_run_of_both_train_flops": row.ratio,
        "larger_alone_over_run_of_both_train_flops_low": None if ends is None else ends.low,
        "larger_alone_over_run_of_both_train_flops_high": None if ends is None else ends.high,
        "difference": None if row.contrast is None else contrast_data(row.contrast),
        "decision": None if row.decision is None else _decision_in_unit(row),
    }


def _decision_in_unit(row: Evidence) -> dict[str, Any]:
    assert row.contrast is not None
    return in_unit(row.contrast.scale.metric, _decision_data(row))


def _decision_data(row: Evidence) -> dict[str, Any]:
    """The same keys with None where there is no decision."""
    names = [field.name for field in fields(Decision)]
    numbers = {name: getattr(row.decision, name, None) for name in names}
    return {"effect_points": numbers.pop("effect"), **numbers}


def claims_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One line an arm and question, for CSV."""
    rows: list[dict[str, Any]] = []
    for cell in comparison.cells:
        for claim in claims_of(comparison, cell):
            for row in claim.evidence or (Evidence("", ""),):
                found = row.contrast.difference if row.contrast else None
                ends = found.interval if found else row.ratio_interval
                rows.append(in_unit(cell.metric, {
                    "pair": cell.pair,
                    "data": cell.settings.data,
                    "settings_worth_naming": wording.settings(cell.marks),
                    "question": str(claim.question),
                    "verdict": str(claim.answer),
                    "what_would_decide_it": claim.needs,
                    "arm": row.arm,
                    "against": row.against,
                    "word": row.word,
                    "n": row.runs,
                    "mean_points": found.mean if found else None,
                    "ratio": row.ratio,
                    "low": ends.low if ends else None,
                    "high": ends.high if ends else None,
                    **{f"decision_{key}": value for key, value in _decision_data(row).items()},
                }))  # fmt: skip
    return rows
