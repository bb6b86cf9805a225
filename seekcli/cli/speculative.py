"""`seek speculative`: the base of a run as draft and its larger model as verifier, beside models trained alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.output import ReadFormat, echo_json, say, terminal_width
from seekcli.errors import BadInput


def speculative(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Results folders or run folders of language models (results).")
    ] = None,
    gamma: Annotated[str, typer.Option(help="Draft lengths, by comma.")] = "1,2,4,8",
    prompts: Annotated[
        int,
        typer.Option(help="Test windows after whose first half text is sampled, to count tokens per call; 0: none."),
    ] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda[:i] or mps.")] = "cpu",
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Measure speculative decoding: how often the larger model accepts what its base drafts.

    Of language models. Runs of the same seeds and settings that trained base and larger model alone are measured too,
    and the differences are paired by seed. Nothing is written: `--format json > FILE` keeps it.
    """
    try:
        gammas = tuple(int(word) for word in gamma.split(","))
    except ValueError:
        raise BadInput(f"--gamma {gamma}: expected draft lengths by comma, as in 1,2,4") from None
    from seekcli.engines.speculative import Asked, measure

    def watcher(done: int, total: int) -> None:
        if sys.stderr.isatty():
            say(f"{done} of {total} pairs measured", err=True)

    document = measure(paths or [Path("results")], Asked(gammas, prompts, device), watcher)
    if format_ is ReadFormat.JSON:
        echo_json(document)
        return
    from seekcli.report.speculative import speculative_text

    say(speculative_text(document, terminal_width()))
