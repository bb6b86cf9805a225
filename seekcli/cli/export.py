"""`seek export`: the models of a finished run, each with a card, checked to give equal logits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.output import say
from seekcli.errors import BadInput, human_bytes, visible

if TYPE_CHECKING:
    from seekcli.export.finished_run import FinishedRun
    from seekcli.export.formats import Taken


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
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Estimate BatchNorm statistics anew first, on training images.")
    ] = False,
    data: Annotated[str | None, typer.Option(help="With --recalibrate: the data (default: that of the run).")] = None,
    data_dir: Annotated[str | None, typer.Option(help="With --recalibrate: where the data is.")] = None,
) -> None:
    """Write a finished run's weights with a JSON card, load them back, and check that the logits are equal."""
    from seekcli.export.finished_run import choose_roles, find_run, open_run
    from seekcli.export.formats import export_run

    if not recalibrate and (data or data_dir):
        raise BadInput(f"{'--data' if data else '--data-dir'}: it is read with --recalibrate alone")
    finished = open_run(find_run(run, out))
    if not finished.environment:
        lacks = f"{finished.path / 'environment.json'} is missing"
        say(f"note: {visible(lacks)}: the card cannot say on what the run was trained", err=True)
    folder = to or Path("exports") / finished.status.run_id
    roles = choose_roles(finished, role.value if role else None)
    mended = (lambda taken: mend(finished, taken, data, data_dir)) if recalibrate else (lambda taken: taken)
    for done in export_run(finished, roles, folder, format_.value, overwrite, mended):
        card = done.card
        say(
            f"{card.role:<10} {card.model}, {card.result.test_accuracy_percent:.2f} % after epoch {card.result.epoch}: "
            f"{visible(str(done.weights_path))} ({human_bytes(card.weights.bytes)})"
        )
        if recalibrate and card.statistics is not None:
            before = card.statistics.test_accuracy_as_trained_percent
            say(f"{'':<10} {card.statistics.recalibrated}; {before:.2f} % as trained")
        checked = f"read back, logits equal, sha256 {card.weights.sha256[:12]}..."
        say(f"{'':<10} card {visible(str(done.card_path))}; {checked}")


def mend(run: FinishedRun, taken: Taken, data: str | None, data_dir: str | None) -> Taken:
    """The model with statistics estimated anew, and a card that says so and holds its accuracy now."""
    from dataclasses import replace

    from seekcli.cli.evaluate import choose_device, placed, run_evaluation, set_threads
    from seekcli.cli.evaluation_data import Candidate, load_data
    from seekcli.cli.recalibrate import recalibrate
    from seekcli.export.formats import weights_card
    from seekcli.export.load import build_from_card

    card = taken.card
    candidate = Candidate(card, taken.model, run.weights_path(card.role), run.config)
    dataset, device = load_data(candidate, data, data_dir), choose_device(card, None)
    set_threads(card, device)
    model = placed(candidate, device)
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
