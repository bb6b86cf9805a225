r"""Tables as LaTeX: booktabs, every letter of a user escaped. Needs `\usepackage{booktabs}` and nothing else.

Notes stand as comments below the tables, so that a paper may take a file in with \input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seekcli.errors import visible
from seekcli.report.tables import Table, TableRow

PREAMBLE = "% Needs \\usepackage{booktabs}. Written by seek compare --format latex."
ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    '"': "''",  # \textquotedbl needs an encoding that not every document has
    "±": r"\ensuremath{\pm}",
}
# Before a number, and not between two of them as in `seeds 0-4`.
MINUS = re.compile(r"(?<![\w.)])-(?=\d)")


def escaped(text: str) -> str:
    """Safe in a cell or a caption: commands, comments and columns of a name stay text, and a minus is one."""
    return MINUS.sub(r"\\ensuremath{-}", "".join(ESCAPED.get(letter, letter) for letter in visible(text)))


def latex_table(table: Table) -> str:
    """One floating table; a heading row spans the columns."""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    header = " & ".join(_header(column.header) for column in table.columns)
    rows = [_row(row, len(table.columns)) for row in table.rows]
    return "\n".join([
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{escaped(table.title)}}}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        rf"{header} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ])  # fmt: skip


def _header(text: str) -> str:
    """A long one in two lines, as the columns of numbers are narrow."""
    words = text.split()
    if len(text) < 14 or len(words) < 2:
        return escaped(text)
    middle = min(range(1, len(words)), key=lambda cut: abs(len(" ".join(words[:cut])) - len(text) / 2))
    first, second = " ".join(words[:middle]), " ".join(words[middle:])
    return rf"\shortstack{{{escaped(first)}\\{{}}{escaped(second)}}}"  # a bracket after \\ would be its option


def _row(row: TableRow, columns: int) -> str:
    if row.heading:
        return rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{escaped(row.cells[0])}}}}} \\"
    first, *others = row.cells
    indent = r"\quad " if first.startswith(" ") else ""
    cells = [indent + escaped(first.strip()), *map(_cell, others)]
    return rf"{' & '.join([*cells, *[''] * (columns - len(cells))])} \\"


def _cell(text: str) -> str:
    r"""A bracket at the start of a line of a table would be taken for the option of the `\\` before it."""
    found = escaped(text)
    return f"{{{found}}}" if found.startswith(("[", "*")) else found


def latex_document(
    first: Sequence[str], parts: Sequence[tuple[Table | None, Sequence[str]]], notes: Sequence[str] = ()
) -> str:
    """Tables with the notes of each below it; what is of all of them stands before and after."""
    lines = [PREAMBLE, *_comments(first)]
    for table, own in parts:
        lines += ["", *([latex_table(table)] if table is not None else []), *_comments(own)]
    return "\n".join([*lines, "", *_comments(notes)]).rstrip() + "\n"


def _comments(notes: Sequence[str]) -> list[str]:
    return [f"% {visible(note)}" for note in notes]
