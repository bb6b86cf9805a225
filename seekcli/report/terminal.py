"""A comparison on a terminal. Numbers are never cut; piped output is plain and has lines as long as they need."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.verdicts import BETTER, EQUIVALENT, WORSE
from seekcli.errors import visible
from seekcli.report import page, tables
from seekcli.report.in_words import in_words
from seekcli.report.layout import lines_of
from seekcli.report.sections import Page
from seekcli.report.tables import Table

# Piped output has no width to fit: no line of it is cut.
PIPED_WIDTH = 200
# What a table takes of it, where its numbers do not need more: longer names are wrapped.
PIPED_TABLE_WIDTH = 100
WORD_STYLES = dict.fromkeys(BETTER, "bold green") | dict.fromkeys(WORSE, "bold red") | {EQUIVALENT: "green"}


class PlainConsole(Console):
    """For pipes: as wide as any row, no colours; a reader that has gone is the caller's to handle, not an error."""

    def __init__(self) -> None:
        super().__init__(highlight=False, width=PIPED_WIDTH, height=100, no_color=True)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print everything the comparison holds, the runs that are in no group included."""
    screen = console or _console()
    screen.print(plain_text(tables.counts(comparison)))
    for title, sentences in in_words(comparison):
        _print_lines(screen, f"In words: {title}", sentences)
    for cell in comparison.cells:
        _print_cell(screen, comparison, cell)
    if not comparison.cells:
        _print_lines(screen, "Nothing to compare yet", ["no run has finished with what runs are compared by"])
    _print_lines(screen, "Notes", list(comparison.notes))
    _print_lines(screen, "Not counted", [tables.left_out_line(entry) for entry in comparison.left_out])
    _print_lines(screen, "How to read this", page.legend(comparison), "dim")


def print_page(page_: Page, console: Console | None = None) -> None:
    """Print titled tables, the notes of each below it, and how to read them."""
    screen = console or _console()
    screen.print(plain_text(page_.first))
    for section in page_.sections:
        if section.title:
            screen.print()
            screen.print(plain_text(section.title, style="bold"))
        for line in section.lines:
            screen.print(plain_text(line), soft_wrap=not screen.is_terminal)
        for title, table, notes in section.parts:
            screen.print()
            screen.print(plain_text(title, style="italic"))
            if table is not None:
                _print_table(screen, table)
            for note in notes:
                _print_item(screen, note, "yellow")
    _print_lines(screen, "How to read this", list(page_.legend), "dim")


def plain_text(text: str, style: str = "") -> Text:
    """What is printed as it is, whatever names are in it: nothing in it is a colour or steers the terminal."""
    return Text(visible(text), style=style)


def _console() -> Console:
    console = Console(highlight=False)
    fits = console.is_terminal and not console.is_dumb_terminal
    return console if fits else PlainConsole()


def _print_cell(screen: Console, comparison: Comparison, cell: Cell) -> None:
    screen.print()
    screen.print(plain_text(tables.cell_title(cell), style="bold"))
    screen.print(plain_text(tables.cell_settings(cell)), soft_wrap=not screen.is_terminal)
    screen.print(plain_text(tables.test_set(cell)), soft_wrap=not screen.is_terminal)
    for table in page.cell_tables(cell):
        screen.print()
        screen.print(plain_text(table.title, style="italic"))
        _print_table(screen, table)
    for note in page.cell_notes(cell):
        _print_item(screen, note, "yellow")


def _print_lines(screen: Console, title: str, lines: list[str], style: str = "") -> None:
    if not lines:
        return
    screen.print()
    screen.print(plain_text(title, style="bold"))
    for line in lines:
        _print_item(screen, line, style)


def _print_item(screen: Console, line: str, style: str) -> None:
    if not screen.is_terminal:
        screen.print(plain_text(f"- {line}"), soft_wrap=True)
        return
    grid = RichTable.grid(padding=(0, 1))
    grid.add_row(plain_text("-", style=style), Text(visible(line), style=style, overflow="fold"))
    screen.print(grid)


def _print_table(screen: Console, table: Table) -> None:
    """In lines that are as wide as the table: a terminal too narrow for its numbers wraps them, and loses nothing."""
    lines = []
    gap, laid_out = lines_of(table, screen.width if screen.is_terminal else PIPED_TABLE_WIDTH)
    for row, cells in laid_out:
        if row is None or row.heading:
            lines.append(Text(gap.join(cells).rstrip(), style="" if row is None else "cyan"))
            continue
        line = Text()
        for number, (cell, whole) in enumerate(zip(cells, row.cells, strict=True)):
            line.append(gap if number else "").append(cell, style=WORD_STYLES.get(whole.partition(",")[0], ""))
        line.rstrip()
        lines.append(line)
    screen.print(Text("\n").join(lines), soft_wrap=True)
