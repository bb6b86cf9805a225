"""`seek export`: the models of a finished run, each with a card, checked to give equal logits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.output import echo_json, say
from seekcli.errors import human_bytes, visible
from seekcli.train.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seekcli.export.card import Card
    from seekcli.export.formats import Exported


class Role(StrEnum):
    BASE = "base"
    MOTIVATED = "motivated"
    BOTH = "both"


class ExportFormat(StrEnum):
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    PT2 = "pt2"


def export(
    run: Annotated[str, typer.Argument(help="A run folder, a run id under --out, or the hash that ends its id.")],
    role: Annotated[Role | None, typer.Option(help="Which model (default: all that the run has).")] = None,
    format_: Annotated[ExportFormat, typer.Option("--format", help="File format.")] = ExportFormat.SAFETENSORS,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to write to (default: exports/RUN_ID).", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder in which a run id is looked up.")] = Path("results"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of another export.")] = False,
    preprocessing: Annotated[
        bool, typer.Option("--with-preprocessing", help="onnx, pt2: the graph takes pixels and normalises them.")
    ] = False,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Estimate BatchNorm statistics anew first, on training images.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="--recalibrate, onnx, pt2: the data (default: that of the run).")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="--recalibrate, onnx, pt2: where the data is.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was written as JSON (--format is that of the files).")
    ] = False,
) -> None:
    """Write a run's models with a JSON card each, load them back, and check that the logits are equal.

    As weights (safetensors), or as a graph that other programs run (onnx, pt2: docs/export.md).

    Of a run that is not finished: those of its last checkpoint, and the card and the output say so.
    """
    from seekcli.engines.exporting import export_models

    exported = export_models(
        run, role.value if role else None, format_.value, to, results=out, overwrite=overwrite,
        preprocessing=preprocessing, recalibrate=recalibrate, data=data, data_dir=data_dir, progress=Notes(),
    )  # fmt: skip
    if as_json:
        echo_json([exported_data(one) for one in exported])
    else:
        for done in exported:
            say_exported(done, recalibrate)
        say_what_each_costs(exported)


class Notes(Progress):
    def note(self, message: str) -> None:
        say(f"note: {visible(message)}", err=True)


def say_exported(done: Exported, recalibrated: bool) -> None:
    card = done.card
    left = card.training.unfinished
    when = f"after epoch {card.result.epoch}"
    if left is not None:
        when = f"UNFINISHED, after step {left.steps_done:,} ({left.epochs_done} of {card.training.epochs} epochs done)"
    say(
        f"{card.role:<10} {card.model}, {result_in_words(card)} {when}: "
        f"{visible(str(done.weights_path))} ({human_bytes(card.weights.bytes)})"
    )
    statistics = card.statistics
    if statistics is not None and statistics.recalibrated is not None and (recalibrated or left is not None):
        how = "" if recalibrated else "BatchNorm statistics re-estimated "
        before = statistics.test_accuracy_as_trained_percent
        say(f"{'':<10} {how}{statistics.recalibrated}; {before:.2f} % as trained")
    elif statistics is not None and left is not None:
        say(f"{'':<10} BatchNorm statistics as trained, as a finished run of this kind keeps them")
    say(f"{'':<10} card {visible(str(done.card_path))}")
    say(f"{'':<10} {checked_in_words(card)}")


def result_in_words(card: Card) -> str:
    result = card.result
    if card.text is None:
        return f"{result.accuracy_percent:.2f} %"
    return f"test loss {result.test_loss:.4f} nats per token, {result.test_bits_per_byte:.4f} bits per byte"


def exported_data(done: Exported) -> dict[str, Any]:
    """One model, as --json prints it; the card beside the file says more."""
    card, result = done.card, done.card.result
    measured: dict[str, Any] = {"test_accuracy_percent": result.test_accuracy_percent}
    if card.text is not None:
        measured = {"test_loss": result.test_loss, "test_perplexity": result.test_perplexity,
                    "test_bits_per_byte": result.test_bits_per_byte}  # fmt: skip
    return {
        "role": card.role,
        "model": card.model,
        "run_id": card.training.run_id,
        "finished": card.training.unfinished is None,
        **measured,
        "parameters": card.weights.parameters,
        "bytes": card.weights.bytes,
        "file": str(done.weights_path),
        "card": str(done.card_path),
    }


def say_what_each_costs(exported: Sequence[Exported]) -> None:
    """What a user gets and pays with each model. The time is measured here and now, the models by turns."""
    from seekcli.export.latency import latencies
    from seekcli.export.model_card import forward_macs, result_value
    from seekcli.report.columns import aligned

    times = latencies(exported)
    text = exported[0].card.text is not None
    result, one_input = ("bits per byte", "one window here") if text else ("accuracy %", "one image here")
    header = ("role", "model", result, "MMACs", "parameters", "file", one_input)
    rows = [
        (one.card.role, one.card.model, result_value(one.card),
         f"{forward_macs(one.card) / 1e6:,.4g}", f"{one.card.weights.parameters:,}",
         human_bytes(one.card.weights.bytes), time)
        for one, time in zip(exported, times, strict=True)
    ]  # fmt: skip
    say(aligned(header, rows, header[2:]))
    graph = exported[0].card.graph
    by = graph.compared_with if graph else "torch"
    say(f"{one_input}: median [quartiles] of {times[0].rounds} forwards by {by}, one CPU thread; one run, one seed")


def checked_in_words(card: Card) -> str:
    graph = card.graph
    if graph is None:
        return f"read back, logits equal, sha256 {card.weights.sha256[:12]}..."
    batches = ", ".join(map(str, graph.compared_batches))
    return (
        f"{graph.compared_with} gives the model's logits to {graph.largest_difference:.1e} (the largest is "
        f"{graph.largest_logit:.3g}), {batches} {visible(graph.compared_on)} at a time"
    )
