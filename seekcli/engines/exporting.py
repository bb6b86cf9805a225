"""Exporting the models of a run, finished or not: what `seek export` does, for Python too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.errors import BadInput, unknown
from seekcli.export.kinds import FORMATS, GRAPH_FORMATS, require_packages
from seekcli.train.progress import Progress

if TYPE_CHECKING:
    from seekcli.export.finished_run import FinishedRun
    from seekcli.export.formats import Exported, Taken


def export_models(
    run: str,
    role: str | None = None,
    file_format: str = "safetensors",
    to: Path | None = None,
    *,
    results: Path = Path("results"),
    overwrite: bool = False,
    preprocessing: bool = False,
    recalibrate: bool = False,
    data: str | None = None,
    data_dir: str | None = None,
    progress: Progress | None = None,
) -> Sequence[Exported]:
    """Write the models of a run with a card each, and check each against the run; the words are those of `seek export`.

    `run` is a folder, a run id in `results`, or the hash that ends the id; `role` None or "both" is all that it has. Of
    a run that is not finished those of its last checkpoint. `progress` is told what is worth knowing.
    Raises BadInput for what does not fit, before anything is written, and RunFailed where a check fails.
    """
    from seekcli.runs.named_runs import find_run

    if file_format not in FORMATS:
        raise unknown("--format", file_format, FORMATS)
    progress = progress or Progress()
    graph = file_format in GRAPH_FORMATS
    if preprocessing and not graph:
        raise BadInput(f"--with-preprocessing goes with --format {' or '.join(GRAPH_FORMATS)}: weights hold no graph")
    require_packages(file_format)
    path = find_run(run, results)  # before what takes seconds to import
    from seekcli.engines.example_images import example_images
    from seekcli.engines.own_task_evaluation import refuse_export
    from seekcli.engines.text_evaluation import refuse_what_is_of_images
    from seekcli.export.finished_run import choose_roles, read_run_as_it_is
    from seekcli.export.formats import export_run
    from seekcli.export.graph_files import export_graphs
    from seekcli.export.model_card import README, write_model_card

    opened = read_run_as_it_is(path)
    refuse_export(opened.config, path)
    if opened.config.data.context_length is not None:
        refuse_what_is_of_images(recalibrate, preprocessing=preprocessing)
    source, name = source_of(opened, to, data, data_dir, recalibrate, graph, progress)
    if not source.environment:
        lacks = f"{source.folder.environment_path} is missing"
        progress.note(f"{lacks}: the card cannot say on what the run was trained")
    roles = choose_roles(source, role)
    mended = (lambda taken: mend(source, taken, data, data_dir)) if recalibrate else (lambda taken: taken)
    folder = to or Path("exports") / name
    if graph:
        exported = export_graphs(
            source, roles, folder, file_format,
            lambda one: example_images(one, source.config, data, data_dir, progress),
            preprocessing, overwrite, mended,
        )  # fmt: skip
    else:
        exported = export_run(source, roles, folder, overwrite, mended)
    if write_model_card(folder) is None:
        progress.note(f"{folder / README} is your own text: it is left as it is")
    return exported


def source_of(
    opened: FinishedRun, to: Path | None, data: str | None, data_dir: str | None, recalibrate: bool, graph: bool,
    progress: Progress,
) -> tuple[FinishedRun, str]:  # fmt: skip
    """The run whose models are exported, and the name of their folder where none is given."""
    from seekcli.export.finished_run import open_run

    if opened.status.state != "finished":
        return of_checkpoint(opened, to, data, data_dir, recalibrate, progress)
    if not (recalibrate or graph) and (data or data_dir):
        flag = "--data" if data else "--data-dir"
        raise BadInput(f"{flag}: it is read with --recalibrate, --format onnx and --format pt2 alone")
    return open_run(opened.folder.path), opened.status.run_id


def of_checkpoint(
    run: FinishedRun, to: Path | None, data: str | None, data_dir: str | None, recalibrate: bool,
    progress: Progress,
) -> tuple[FinishedRun, str]:  # fmt: skip
    """The last checkpoint of a run that is not finished, and a folder name that says which it is.

    What is wrong with the words is told before the data is read.
    """
    from seekcli.engines.unfinished import require_checkpoint, take_checkpoint
    from seekcli.export.formats import require_writable

    require_checkpoint(run)
    if data is not None:
        raise BadInput("--data: the data of a run that is not finished is its own; --data-dir says where it is now")
    if recalibrate:
        raise BadInput(
            "--recalibrate is for finished runs: a run of both models that is not finished gets its statistics as at "
            "its end"
        )
    require_writable(to or Path("exports"))
    taken = take_checkpoint(run, data_dir, progress)
    status = taken.status
    progress.note(
        f"run {status.run_id} is not finished ({run.folder.state_now(status)}): these are the models of its last "
        f"checkpoint, after {status.steps_done:,} of {taken.steps:,} steps; its learning rate had not reached its end"
    )
    return taken, f"{status.run_id}_step-{status.steps_done}"


def mend(run: FinishedRun, taken: Taken, data: str | None, data_dir: str | None) -> Taken:
    """The model with statistics estimated anew, and a card that says so and holds its accuracy now."""
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
