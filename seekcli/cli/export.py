"""`seek export`: the models of a finished run, each with a card, checked to give equal logits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.output import say
from seekcli.errors import BadInput, human_bytes, visible
from seekcli.export.kinds import GRAPH_FORMATS, require_packages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seekcli.export.card import Card
    from seekcli.export.finished_run import FinishedRun
    from seekcli.export.formats import Exported, Taken


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
) -> None:
    """Write a run's models with a JSON card each, load them back, and check that the logits are equal.

    As weights (safetensors), or as a graph that other programs run (onnx, pt2: docs/export.md).

    Of a run that is not finished: those of its last checkpoint, and the card and the output say so.
    """
    from seekcli.runs.named_runs import find_run

    graph = format_.value in GRAPH_FORMATS
    if preprocessing and not graph:
        raise BadInput(f"--with-preprocessing goes with --format {' or '.join(GRAPH_FORMATS)}: weights hold no graph")
    require_packages(format_.value)
    path = find_run(run, out)
    from seekcli.engines.example_images import example_images
    from seekcli.export.finished_run import choose_roles, open_run, read_run_as_it_is
    from seekcli.export.formats import export_run
    from seekcli.export.graph_files import export_graphs
    from seekcli.export.model_card import README, write_model_card

    opened = read_run_as_it_is(path)
    if opened.status.state == "finished":
        if not (recalibrate or graph) and (data or data_dir):
            flag = "--data" if data else "--data-dir"
            raise BadInput(f"{flag}: it is read with --recalibrate, --format onnx and --format pt2 alone")
        source, name = open_run(opened.path), opened.status.run_id
    else:
        source, name = of_checkpoint(opened, to, data, data_dir, recalibrate)
    if not source.environment:
        lacks = f"{source.path / 'environment.json'} is missing"
        say(f"note: {visible(lacks)}: the card cannot say on what the run was trained", err=True)
    roles = choose_roles(source, role.value if role else None)
    mended = (lambda taken: mend(source, taken, data, data_dir)) if recalibrate else (lambda taken: taken)
    folder = to or Path("exports") / name
    if graph:
        exported = export_graphs(
            source, roles, folder, format_.value, lambda one: example_images(one, source.config, data, data_dir),
            preprocessing, overwrite, mended,
        )  # fmt: skip
    else:
        exported = export_run(source, roles, folder, overwrite, mended)
    for done in exported:
        say_exported(done, recalibrate)
    say_what_each_costs(exported)
    if write_model_card(folder) is None:
        say(f"note: {visible(str(folder / README))} is your own text: it is left as it is", err=True)


def of_checkpoint(
    run: FinishedRun, to: Path | None, data: str | None, data_dir: str | None, recalibrate: bool
) -> tuple[FinishedRun, str]:
    """The last checkpoint of a run that is not finished, and a folder name that says which it is.

    What is wrong with the words is told before the data is read.
    """
    from seekcli.engines.unfinished import require_checkpoint, take_checkpoint
    from seekcli.export.formats import require_writable
    from seekcli.train.progress import Progress

    class Notes(Progress):
        def note(self, message: str) -> None:
            say(f"note: {visible(message)}", err=True)

    require_checkpoint(run)
    if data is not None:
        raise BadInput("--data: the data of a run that is not finished is its own; --data-dir says where it is now")
    if recalibrate:
        raise BadInput(
            "--recalibrate is for finished runs: a run of both models that is not finished gets its statistics as at "
            "its end"
        )
    require_writable(to or Path("exports"))
    taken = take_checkpoint(run, data_dir, Notes())
    status = taken.status
    Notes().note(
        f"run {status.run_id} is not finished ({status.state}): these are the models of its last checkpoint, after "
        f"{status.steps_done:,} of {taken.steps:,} steps; its learning rate had not reached its end"
    )
    return taken, f"{status.run_id}_step-{status.steps_done}"


def say_exported(done: Exported, recalibrated: bool) -> None:
    card = done.card
    left = card.training.unfinished
    when = f"after epoch {card.result.epoch}"
    if left is not None:
        when = f"UNFINISHED, after step {left.steps_done:,} ({left.epochs_done} of {card.training.epochs} epochs done)"
    say(
        f"{card.role:<10} {card.model}, {card.result.test_accuracy_percent:.2f} % {when}: "
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


def say_what_each_costs(exported: Sequence[Exported]) -> None:
    """What a user gets and pays with each model. The time is measured here and now, the models by turns."""
    from seekcli.export.latency import latencies
    from seekcli.export.model_card import forward_macs
    from seekcli.report.columns import aligned

    times = latencies(exported)
    header = ("role", "model", "accuracy %", "MMACs", "parameters", "file", "one image here")
    rows = [
        (one.card.role, one.card.model, f"{one.card.result.test_accuracy_percent:.2f}",
         f"{forward_macs(one.card) / 1e6:,.4g}", f"{one.card.weights.parameters:,}",
         human_bytes(one.card.weights.bytes), time)
        for one, time in zip(exported, times, strict=True)
    ]  # fmt: skip
    say(aligned(header, rows, header[2:]))
    graph = exported[0].card.graph
    by = graph.compared_with if graph else "torch"
    say(f"one image here: median [quartiles] of {times[0].rounds} forwards by {by}, one CPU thread; one run, one seed")


def checked_in_words(card: Card) -> str:
    graph = card.graph
    if graph is None:
        return f"read back, logits equal, sha256 {card.weights.sha256[:12]}..."
    batches = ", ".join(map(str, graph.compared_batches))
    return (
        f"{graph.compared_with} gives the model's logits to {graph.largest_difference:.1e} (the largest is "
        f"{graph.largest_logit:.3g}), {batches} {visible(graph.compared_on)} at a time"
    )


def mend(run: FinishedRun, taken: Taken, data: str | None, data_dir: str | None) -> Taken:
    """The model with statistics estimated anew, and a card that says so and holds its accuracy now."""
    from dataclasses import replace

    from seekcli.engines.evaluation import choose_device, model_on_device, run_evaluation, set_threads
    from seekcli.engines.evaluation_data import Candidate, load_for_card
    from seekcli.engines.recalibrate import recalibrate
    from seekcli.export.formats import weights_card
    from seekcli.export.load import build_from_card

    card = taken.card
    candidate = Candidate(card, taken.model, run.weights_path(card.role), run.config)
    dataset, device = load_for_card(candidate, data, data_dir), choose_device(card, None)
    set_threads(card, device)
    model = model_on_device(candidate, device)
    done = recalibrate(card, model, dataset, run.config, device)
    found = run_evaluation(card, model, dataset, device)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    # Built anew: on the CPU, in the memory layout that a reader will have.
    model = build_from_card(card, tensors, candidate.source)
    assert card.statistics is not None
    accuracy = {"test_accuracy_percent": found.accuracy_percent, "test_loss": found.loss, "test_images": found.images}
    statistics = {"recalibrated_batches": done.batches, "recalibrated": f"at export: {done}"}
    changed = card.model_copy(
        update={
            "weights": weights_card(card.weights.file, tensors, model),
            "result": card.result.model_copy(update=accuracy),
            "statistics": card.statistics.model_copy(update=statistics),
        }
    )
    return replace(taken, card=changed, tensors=tensors, model=model)
