"""`seek doctor`: what this machine offers to a run, and what of it does not fit together."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.output import ReadFormat, echo_json, say, say_fitting
from seekcli.errors import EXIT_RUN_FAILED, visible

MARKS = {"ok": " ", "note": "-", "wrong": "!"}


def doctor(
    data: Annotated[
        str | None,
        typer.Option(
            help="read every image of folder:DIR, imagenet:DIR, hf:DIR or wds:PATTERN, and name all broken ones"
        ),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="where published data sets are looked for")] = None,
    out: Annotated[Path, typer.Option(help="results folder whose disk is tried")] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="how to print it")] = ReadFormat.TABLE,
) -> None:
    """Check versions, devices, data sets, the disk and its file locks. Exit code 1 where something is wrong."""
    from seekcli.engines.doctor import examine, examine_images

    findings = []
    for finding in examine_images(data) if data is not None else examine(out, data_dir):
        findings.append(finding)
        if format_ is ReadFormat.TABLE:
            say_fitting(f"{MARKS[finding.state]} {finding.topic:22} {visible(finding.text)}")
    wrong = sum(finding.state == "wrong" for finding in findings)
    if format_ is ReadFormat.JSON:
        echo_json([asdict(finding) for finding in findings])
    elif wrong:
        say(f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong: see the lines that begin with !")
    if wrong:
        raise typer.Exit(EXIT_RUN_FAILED)
