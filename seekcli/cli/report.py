"""`seek report`: one HTML file with findings in words, tables and pictures. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.compared import ComparedMetric, ComparedPaths
from seekcli.cli.output import ReadFormat, echo_json, say
from seekcli.errors import BadInput, visible


def report(
    paths: ComparedPaths = None,
    out: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE")] = Path("report.html"),
    plots: Annotated[
        Path | None, typer.Option(help="Also write every picture here, as PNG and SVG.", metavar="DIR")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="only runs with it, as in seek compare; repeatable"),
    ] = None,
    metric: ComparedMetric = None,
    title: Annotated[str, typer.Option(help="The heading of the page.")] = "Base against alternating training",
    format_: Annotated[
        ReadFormat, typer.Option("--format", help="json: the files that were written, on stdout.")
    ] = ReadFormat.TABLE,
) -> None:
    """Write what the runs say as one page that needs no network: open it with a double click."""
    from seekcli.analysis.comparison import Options, compare_runs
    from seekcli.analysis.selection import parse_where
    from seekcli.cli.damaged import end_incomplete, refuse_damaged_alone, tell_damaged
    from seekcli.models.catalog import has_running_statistics
    from seekcli.report.targets import check_targets
    from seekcli.runs.scan import scan_runs

    check_targets(out, plots)
    runs = scan_runs(paths or [Path("results")])
    options = Options(metric=metric, has_running_statistics=has_running_statistics)
    comparison = compare_runs(runs, parse_where(where or []), options)
    refuse_damaged_alone(comparison)
    if not comparison.cells:
        raise BadInput("no finished run to report on; seek list runs says where each stands")
    from seekcli.report.write import write_report

    written = write_report(comparison, runs, out, plots, title)
    tell_damaged(comparison)
    for line in written.notes:
        say(f"seek: {visible(line)}", err=True)
    if format_ is ReadFormat.JSON:
        echo_json({"files": [str(path) for path in written.paths]})
    for path in written.paths:
        say(f"seek: wrote {visible(str(path))}", err=True)
    end_incomplete(comparison, written.notes)
