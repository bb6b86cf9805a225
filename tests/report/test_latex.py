"""Tables for a paper: they compile, and no name of a user is a command in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seekcli.report.latex import ESCAPED, escaped, latex_table
from seekcli.report.published import published_latex
from seekcli.report.sections import claims_page
from seekcli.report.tables import Column, Table, TableRow
from seekcli.report.text import comparison_latex, page_latex

if TYPE_CHECKING:
    from run_folders import Results

EVIL = r"\input{/etc/passwd} 5 % of $x$ & a_b ^c ~d #1 {e} <0.1 | \\[2cm] [x]"
TABLE = Table(
    EVIL,
    (Column(EVIL, numeric=False), Column("points [95% interval]"), Column("word", numeric=False)),
    (TableRow((EVIL,), heading=True), TableRow((f" {EVIL}", "-0.15 [-0.80, +1.10]", "[x]")), TableRow(("short",))),
)


def test_every_special_letter_is_escaped() -> None:
    ours = r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\ensuremath\{.\}|\\[{}&%$#_]"
    bare = re.sub(ours, "", escaped(EVIL))
    assert not set(bare) & {letter for letter in ESCAPED if not letter.isalnum()}


def test_a_minus_is_one_and_a_range_is_not() -> None:
    assert escaped("-0.15 [-0.80, 0-4] k-2") == r"\ensuremath{-}0.15 [\ensuremath{-}0.80, 0-4] k-2"


def test_every_row_has_the_columns_of_the_table() -> None:
    lines = latex_table(TABLE).splitlines()
    assert lines[0] == r"\begin{table}"
    assert [line for line in lines if line.startswith((r"\toprule", r"\midrule", r"\bottomrule"))] == [
        r"\toprule", r"\midrule", r"\bottomrule",
    ]  # fmt: skip
    row, short = lines[lines.index(r"\midrule") + 2 : lines.index(r"\bottomrule")]
    for line in (row, short):
        assert len(re.findall(r"(?<!\\)&", line)) == 2
    assert "{[x]}" in row  # a bracket after \\ would be its option


def test_notes_are_comments(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("alternating", [(98.6, 67.0), (98.7, 97.5), (99.4, 8.0)])
    results.add(seed=9, state="failed", accuracy=None, message="broken\n\\input{x}")
    text = comparison_latex(results.compare())
    outside = re.sub(r"\\begin\{table\}.*?\\end\{table\}", "", text, flags=re.DOTALL)
    assert all(line.startswith("%") for line in outside.splitlines() if line)
    assert "not counted, failed" in outside
    assert "In words" not in outside
    assert "% - " not in outside


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_it_compiles(results: Results, tmp_path: Path) -> None:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.5, 98.8, 99.5])
    results.add_seeds("alternating", [(98.6, 67.0), (98.7, 97.5), (99.4, 8.0)])
    comparison = results.compare()
    texts = [latex_table(TABLE), comparison_latex(comparison), page_latex(claims_page(comparison)), published_latex()]
    body = "\n".join(texts)
    document = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (tmp_path / "tables.tex").write_text(document, encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
