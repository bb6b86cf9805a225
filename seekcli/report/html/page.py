"""A comparison as one HTML file: findings in words, tables, pictures, how to repeat it. Text of users is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import DictLoader, Environment
from markupsafe import Markup

import seekcli
from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.history import Places
from seekcli.errors import visible
from seekcli.report import beside_paper, claims, page, settings_differ, tables
from seekcli.report.figures.canvas import Picture
from seekcli.report.html.intervals import drawn_intervals
from seekcli.report.html.sources import (
    compared_places,
    environment_table,
    environments_of,
    failures_table,
    group_commands,
    started_by,
)
from seekcli.report.in_words import in_words
from seekcli.report.published import paper_tables
from seekcli.report.svg import svg_text
from seekcli.report.tables import Table


@dataclass(frozen=True)
class Shown:
    """A picture in the page. `name` is that of its file with --plots; `is_further` says that there is one before it of
    another arm, so that this one is folded away."""

    name: str
    title: str
    words: str
    svg: Markup
    note: str
    is_further: bool


@dataclass(frozen=True)
class Findings:
    """What is said of a cell, in the words of `seek compare`."""

    title: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class ShownClaim:
    """A claim of the paper with its verdict, what it rests on, and what would decide it."""

    title: str
    table: Table | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A cell of the comparison: one pair under one set of settings."""

    key: str
    title: str
    settings: str
    test_set: str
    claims: Sequence[ShownClaim]
    comparison: Sequence[Table]
    notes: Sequence[str]
    parts: Sequence[tuple[Shown | None, Sequence[Table]]]  # what follows: a picture, and the tables that belong to it


def report_html(
    comparison: Comparison, places: Places, drawn: Sequence[Sequence[Picture]], title: str, notes: Sequence[str] = ()
) -> str:
    """The whole file. `places` says where each run is, `drawn` has each cell's pictures, `notes` what those lack."""
    cells = zip(comparison.cells, drawn, strict=True)
    sections = [_section(comparison, cell, pictures, number) for number, (cell, pictures) in enumerate(cells, 1)]
    script = _part("sort.js")
    counted = compared_places(comparison, places)
    environments = environments_of(counted)
    of_cells = [settings_differ.groups_table(cell) for cell in comparison.cells]
    beside = [beside_paper.beside_table(cell) for cell in comparison.cells]
    return str(
        _templates()
        .get_template("page.html.j2")
        .render(
            title=title,
            counts=f"{tables.counts(comparison)}.",
            version=seekcli.__version__,
            style=Markup(_part("style.css")),
            script=Markup(script),
            script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
            findings=_findings(comparison),
            notes=[visible(note) for note in (*comparison.notes, *notes)],
            sections=sections,
            beside=[table for table in beside if table],
            beside_note=beside_paper.NOTE,
            no_row=beside_paper.NO_ROW,
            paper=paper_tables(),
            settings=[table for table in (settings_differ.cells_table(comparison), *of_cells) if table],
            environment=environment_table(environments),
            failures=failures_table(comparison),
            started=started_by(environments),
            commands=[command for cell in comparison.cells for command in group_commands(cell, counted)],
            legend=[*page.legend(comparison), *claims.legend(comparison)],
            table_of=_table_html,
        )
    )


def _section(comparison: Comparison, cell: Cell, pictures: Sequence[Picture], number: int) -> Section:
    shown = [
        Shown(
            name=picture.name,
            title=picture.title,
            words=visible(picture.words),
            svg=Markup(svg_text(picture, f"c{number}-p{place}")),
            note=visible(picture.note),
            is_further=any(before.name == picture.name for before in pictures[: place - 1]),
        )
        for place, picture in enumerate(pictures, 1)
    ]
    by_part = page.tables_by_part(cell)
    return Section(
        key=f"cell-{number}",
        title=visible(tables.cell_title(cell)),
        settings=visible(tables.cell_settings(cell)),
        test_set=tables.test_set(cell),
        claims=_claims(comparison, cell),
        comparison=by_part.pop("comparison"),
        notes=[visible(note) for note in page.cell_notes(cell)],
        parts=_parts(shown, by_part),
    )


def _parts(pictures: Sequence[Shown], by_part: dict[str, list[Table]]) -> list[tuple[Shown | None, Sequence[Table]]]:
    """Pictures in the order of the gallery, each with the tables of its name; what has no picture comes last."""
    parts: list[tuple[Shown | None, Sequence[Table]]] = [(one, by_part.pop(one.name, ())) for one in pictures]
    return [*parts, *((None, tables) for tables in by_part.values() if tables)]


def _findings(comparison: Comparison) -> list[Findings]:
    return [
        Findings(visible(title), [visible(sentence) for sentence in sentences])
        for title, sentences in in_words(comparison)
    ]


def _claims(comparison: Comparison, cell: Cell) -> list[ShownClaim]:
    return [
        ShownClaim(visible(title), table, [visible(note) for note in notes])
        for title, table, notes in claims.shown_claims(comparison, cell)
    ]


def _table_html(table: Table) -> Markup:
    found = _templates().get_template("table.html.j2").render(table=table, drawn=drawn_intervals(table))
    return Markup(found)


@cache
def _templates() -> Environment:
    names = ("page.html.j2", "table.html.j2")
    return Environment(loader=DictLoader({name: _part(name) for name in names}), autoescape=True)


@cache
def _part(name: str) -> str:
    return (resources.files("seekcli.report.html") / name).read_text(encoding="utf-8")
