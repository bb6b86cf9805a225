"""A page of titled tables with their notes, for a terminal, markdown and LaTeX: what `--claims` and `--by` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seekcli.analysis.by import Part
from seekcli.analysis.comparison import Comparison
from seekcli.report import by, claims, tables
from seekcli.report.tables import Table


@dataclass(frozen=True)
class Section:
    """Titled tables, each with the notes that belong to it, under a title and lines that say what they are of."""

    title: str
    lines: Sequence[str]
    parts: Sequence[tuple[str, Table | None, Sequence[str]]]


@dataclass(frozen=True)
class Page:
    first: str
    sections: Sequence[Section]
    legend: Sequence[str]


def claims_page(comparison: Comparison) -> Page:
    sections = [
        Section(
            tables.cell_title(cell),
            [tables.cell_settings(cell), tables.test_set(cell)],
            claims.shown_claims(comparison, cell) or [(claims.NO_ARM, None, [])],
        )
        for cell in comparison.cells
    ]
    return Page(tables.counts(comparison), sections, claims.legend(comparison))


def by_page(comparison: Comparison, parts: Sequence[Part]) -> Page:
    table = by.by_table(parts)
    return Page(tables.counts(comparison), [Section("", [], [(table.title, table, [])])], [by.LEGEND])
