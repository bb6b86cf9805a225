"""`seek export`: the models of a finished run, each with a card, checked to give equal logits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Role(StrEnum):
    BASE = "base"
    MOTIVATED = "motivated"
    BOTH = "both"


class ExportFormat(StrEnum):
    SAFETENSORS = "safetensors"


def export(
    run: Annotated[str, typer.Argument(help="A run folder, a run id under --out, or the hash that ends its id.")],
    role: Annotated[Role | None, typer.Option(help="Which model (default: all that the run has).")] = None,
    format_: Annotated[ExportFormat, typer.Option("--format", help="File format.")] = ExportFormat.SAFETENSORS,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to write to (default: exports/RUN_ID).", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder in which a run id is looked up.")] = Path("results"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of another export.")] = False,
) -> None:
    """Write a finished run's weights with a JSON card, load them back, and check that the logits are equal."""
    from seekcli.export.finished_run import choose_roles, find_run, open_run
    from seekcli.export.formats import export_run
    from seekcli.files import human_bytes

    finished = open_run(find_run(run, out))
    folder = to or Path("exports") / finished.status.run_id
    roles = choose_roles(finished, role.value if role else None)
    for done in export_run(finished, roles, folder, format_.value, overwrite):
        card = done.card
        typer.echo(
            f"{card.role:<10} {card.model}, {card.result.test_accuracy_percent:.2f} % after epoch {card.result.epoch}: "
            f"{done.weights_path} ({human_bytes(card.weights.bytes)})"
        )
        typer.echo(f"{'':<10} card {done.card_path}; read back, logits equal, sha256 {card.weights.sha256[:12]}...")
