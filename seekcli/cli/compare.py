"""`seek compare`: what the runs in a results folder say, with honest statistics. No torch."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.compared import ComparedMetric, ComparedPaths
from seekcli.cli.output import say, say_json
from seekcli.errors import BadInput, visible

if TYPE_CHECKING:
    from seekcli.analysis.by import Part
    from seekcli.analysis.comparison import Comparison, Options
    from seekcli.report.sections import Page
    from seekcli.runs.scan import RunSummary


# Options that concern runs, which --paper reads none of.
OF_RUNS = ("where", "metric", "margin", "effect", "convention", "by", "claims", "tables")


class Convention(StrEnum):
    MACS = "macs"
    PAPER = "paper"


class CompareFormat(StrEnum):
    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"
    LATEX = "latex"


def compare(
    context: typer.Context,
    paths: ComparedPaths = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="only runs with it: k=2, lr=0.1, schedule=grow; repeatable"),
    ] = None,
    metric: ComparedMetric = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Differences inside +- this many points (or the metric's unit) count as equivalent; one test image at "
            "least. Default: 0.2 points, 1 % of a loss.",
            show_default=False,
        ),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(
            help="Smallest difference of interest, in points (or the metric's unit): how many seeds would find it. "
            "Default: 0.3 points, 1.5 % of a loss.",
            show_default=False,
        ),
    ] = None,
    convention: Annotated[
        Convention, typer.Option(help="forward costs in MACs, or in the FLOPs of the paper's table 8 (CIFAR ResNets)")
    ] = Convention.MACS,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="KEY", help="one table, sorted by a setting: k, init, lr, pair, data; repeatable"),
    ] = None,
    claims: Annotated[
        bool, typer.Option("--claims", help="one verdict a claim of the paper, with power and what would decide it")
    ] = False,
    paper: Annotated[bool, typer.Option("--paper", help="the paper's own rows, instead of runs")] = False,
    tables: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="also write epochs, steps, classes, groups and differences: parquet and CSV"),
    ] = None,
    format_: Annotated[CompareFormat, typer.Option("--format", help="how to print it")] = CompareFormat.TABLE,
) -> None:
    """Compare alternating runs with their classic baselines: accuracy, noise, cost."""
    if paper:
        _refuse_beside_paper(context)
        _show_paper(format_)
        return
    from seekcli.analysis.comparison import compare_runs
    from seekcli.analysis.selection import parse_where
    from seekcli.cli.damaged import end_incomplete, refuse_damaged_alone, tell_damaged
    from seekcli.runs.scan import scan_runs

    for flag, value in (("--margin", margin), ("--effect", effect)):
        if value is not None and not 0 < value <= 100:
            what = "accuracy points" if metric is None else "a number"
            raise BadInput(f"{flag} {value:g}: expected {what} above 0 and up to 100, such as 0.2")
    if claims and by:
        raise BadInput("--claims and --by are two answers: give one of them")
    from seekcli.analysis.by import parse_by, parts_by

    keys = parse_by(by or [])
    options = _options(margin, effect, metric, convention)
    runs = scan_runs(paths or [Path("results")])
    comparison = compare_runs(runs, parse_where(where or []), options)
    refuse_damaged_alone(comparison)
    if claims or keys or format_ is not CompareFormat.CSV:  # which has all its notes on stderr
        tell_damaged(comparison)
    lacking = [] if tables is None else _write_tables(tables, runs, comparison)
    if claims:
        _show_claims(comparison, format_)
    elif keys:
        _show_by(comparison, parts_by(comparison, keys), format_)
    else:
        _show(comparison, format_)
    end_incomplete(comparison, lacking)


def _write_tables(folder: Path, runs: list[RunSummary], comparison: Comparison) -> list[str]:
    """What the tables lack, since it is damaged."""
    from seekcli.report.frames import write_tables
    from seekcli.runs.model_files import AFRESH

    lacking: list[str] = []

    def tell(error: BadInput) -> None:
        helps = f"; {AFRESH}" if " is damaged" in str(error) else ""
        lacking.append(f"{error}{helps}")
        say(f"seek: not in the tables: {visible(lacking[-1])}", err=True)

    for path in write_tables(folder, runs, comparison, tell):
        say(f"seek: wrote {visible(str(path))}", err=True)
    return lacking


def _options(margin: float | None, effect: float | None, metric: str | None, convention: Convention) -> Options:
    from seekcli.analysis.comparison import Options
    from seekcli.models.catalog import has_running_statistics

    options = Options(margin, effect, metric, has_running_statistics=has_running_statistics)
    if convention is Convention.MACS:
        return options
    from seekcli.engines.paper_costs import paper_flops

    return replace(options, convention=convention.value, forward_cost=paper_flops)


def _refuse_beside_paper(context: typer.Context) -> None:
    """Raise BadInput for words that concern runs: --paper reads none."""
    words = {"paths": "a path", **{name: f"--{name}" for name in OF_RUNS}}
    given = [word for name, word in words.items() if _was_given(context, name)]
    if given:
        raise BadInput(
            f"--paper shows the paper's own rows and reads no runs: it goes with --format alone, without "
            f"{' and '.join(given)}"
        )


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def _show(comparison: Comparison, format_: CompareFormat) -> None:
    if format_ is CompareFormat.TABLE:
        from seekcli.report.terminal import print_comparison

        print_comparison(comparison)
        return
    from seekcli.report import page, text

    if format_ is CompareFormat.MARKDOWN:
        say(text.comparison_markdown(comparison), nl=False)
    elif format_ is CompareFormat.JSON:
        say_json(text.comparison_json(comparison))
    elif format_ is CompareFormat.LATEX:
        say(text.comparison_latex(comparison), nl=False)
    else:
        say(text.comparison_csv(comparison), nl=False)
        for line in page.all_notes(comparison):
            say(f"seek: {visible(line)}", err=True)


def _show_claims(comparison: Comparison, format_: CompareFormat) -> None:
    from seekcli.report.claims import claims_json, claims_rows
    from seekcli.report.sections import claims_page

    if format_ is CompareFormat.JSON:
        say_json(claims_json(comparison))
    else:
        _show_page(claims_page(comparison), claims_rows(comparison), format_)


def _show_by(comparison: Comparison, parts: list[Part], format_: CompareFormat) -> None:
    from seekcli.report.by import by_json, by_rows
    from seekcli.report.sections import by_page

    if format_ is CompareFormat.JSON:
        say_json(by_json(parts))
    else:
        _show_page(by_page(comparison, parts), by_rows(parts), format_)


def _show_page(page_: Page, rows: list[dict[str, Any]], format_: CompareFormat) -> None:
    if format_ is CompareFormat.TABLE:
        from seekcli.report.terminal import print_page

        print_page(page_)
        return
    from seekcli.report.columns import csv_of
    from seekcli.report.text import page_latex, page_markdown

    texts = {CompareFormat.MARKDOWN: page_markdown, CompareFormat.LATEX: page_latex}
    say(csv_of(rows) if format_ is CompareFormat.CSV else texts[format_](page_), nl=False)


def _show_paper(format_: CompareFormat) -> None:
    from seekcli.report import published

    if format_ is CompareFormat.TABLE:
        from seekcli.report.terminal import print_page

        print_page(published.published_page())
        return
    texts = {
        CompareFormat.MARKDOWN: published.published_markdown,
        CompareFormat.JSON: published.published_json,
        CompareFormat.CSV: published.published_csv,
        CompareFormat.LATEX: published.published_latex,
    }
    if format_ is CompareFormat.JSON:
        say_json(texts[format_]())
    else:
        say(texts[format_](), nl=False)
