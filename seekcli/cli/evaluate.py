"""`seek evaluate`: a model, rebuilt from its card alone, on images; the recorded accuracy stands beside."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.evaluation_data import (
    Candidate,
    images_taken,
    load_for_card,
    own_data_known_by,
    training_images_among,
)
from seekcli.cli.evaluation_predictions import check_target, predictions_of, write_predictions
from seekcli.cli.output import ReadFormat, echo_json, say
from seekcli.cli.recalibrate import recalibrate as mend
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput, RunFailed, unknown, visible
from seekcli.report.predictions import Predictions, confusion_text

if TYPE_CHECKING:
    from torch import nn

    from seekcli.data.sets.sources import Dataset
    from seekcli.export.card import Card
    from seekcli.train.tasks.classification import Evaluation

from seekcli.method.roles import ROLES


def evaluate(
    what: Annotated[
        str,
        typer.Argument(metavar="EXPORT_OR_RUN", help="An exported model, a folder of them, a run folder or a run id."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Data (default: that of the run): its test split; all images of another folder."),
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data is.")] = None,
    role: Annotated[str | None, typer.Option(help="base or motivated (default: every model there is).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda[:i] or mps (default: as recorded).")] = None,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Estimate BatchNorm statistics anew first, on training images.")
    ] = False,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the answer to each image there, and show the confusion matrix."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --predictions.")] = False,
    out: Annotated[Path, typer.Option(help="Results folder in which a run id is looked up.")] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Evaluate exported models, or those of a finished run, on images that are prepared as their cards say.

    A folder with the contents of the run's own data gives the test split of the run, wherever it lies. Of another
    folder every image is taken: DIR/CLASS/, DIR/test/CLASS/, one image a class or only some of the classes.
    """
    if role is not None and role not in ROLES:
        raise unknown("--role", role, ROLES)
    check_target(predictions, overwrite)
    results, answers = [], list[Predictions]()
    for candidate in find_candidates(what, role, out):
        name = choose_device(candidate.card, device)
        with listings_kept():
            dataset = load_for_card(candidate, data, data_dir)
            among = training_images_among(candidate, dataset, data, data_dir)
        set_threads(candidate.card, name)
        model = model_on_device(candidate, name)
        done = mend(candidate.card, model, dataset, candidate.run, name) if recalibrate else None
        found = run_evaluation(candidate.card, model, dataset, name, ranked=predictions is not None)
        more: dict[str, Any] = {"training_images_among_them": among, "recalibration": str(done) if done else None}
        if predictions is not None:
            answers.append(predictions_of(candidate.card, dataset, found))
            more["confusion_matrix"] = answers[-1].confusion_matrix()
        results.append({**evaluation_data(candidate, dataset, found, name), **more})
    if predictions is not None:  # first: whoever reads the rest may go away
        write_predictions(predictions, answers)
    if format_ is ReadFormat.JSON:
        echo_json(results)
    else:
        say(
            "\n\n".join(evaluation_text(result, *answers[number : number + 1]) for number, result in enumerate(results))
        )


def find_candidates(what: str, role: str | None, results: Path) -> list[Candidate]:
    """The models that `what` means, loaded and verified. Raises BadInput when there is none of that role."""
    from seekcli.export.card_files import find_cards, is_export
    from seekcli.runs.named_runs import find_run

    path = Path(what)
    exported = is_export(path)
    found_at = path if exported else find_run(what, results)
    from seekcli.export.finished_run import choose_roles, open_run
    from seekcli.export.formats import take_model
    from seekcli.export.load import load_model

    if exported:
        cards = find_cards(path) if path.is_dir() else [path]
        loaded = [(card, *load_model(card)) for card in cards]
        found = [Candidate(card, model, path) for path, model, card in loaded if role in (None, card.role)]
        if not found:
            raise BadInput(f"--role {role}: {path} holds no {role} model")
        return found
    run = open_run(found_at)
    taken = [(run.weights_path(one), take_model(run, one)) for one in choose_roles(run, role)]
    return [Candidate(one.card, one.model, path, run.config) for path, one in taken]


def choose_device(card: Card, asked: str | None) -> str:
    """The device asked for, or the recorded one; the CPU where this machine has no such device."""
    from seekcli.resolve import device

    if asked not in (None, "auto"):
        device.check_device(asked)
        return asked
    try:
        device.check_device(card.evaluation.device_type)
    except BadInput:
        return "cpu"
    return card.evaluation.device_type


def set_threads(card: Card, device_name: str) -> None:
    """The thread count moves the last bits of a sum, and with them, once in a long while, a prediction."""
    import os

    import torch

    threads = card.evaluation.threads
    if device_name == "cpu" and threads and threads <= (os.cpu_count() or 1):
        torch.set_num_threads(threads)


def model_on_device(candidate: Candidate, device_name: str) -> nn.Module:
    """The model on the device, in the memory layout that is recorded."""
    import torch

    from seekcli.resolve.build import place

    channels_last = candidate.card.evaluation.layout == "channels_last"
    return place(candidate.model, torch.device(device_name), channels_last)


def run_evaluation(
    card: Card, model: nn.Module, dataset: Dataset, device_name: str, ranked: bool = False
) -> Evaluation:
    """Evaluate as the run did: batch size, precision and memory layout are the recorded ones.

    `ranked` keeps the likeliest classes of each image: 5, or one where there are no more than 5 classes.

    Raises RunFailed where the loss is no number: the model's answers mean nothing then.
    """
    import torch

    from seekcli.config.layers import merge
    from seekcli.data.loading.batches import Batches
    from seekcli.train.step import AUTOCAST
    from seekcli.train.tasks.classification import TOP, evaluate_model

    recorded = card.evaluation
    config = merge([("card", {"train.eval_batch_size": recorded.batch_size})]).config
    # The training images are not needed: two images in their place keep the batches valid and the memory free.
    two = torch.zeros(2, dtype=torch.int64)
    test_only = replace(dataset, train_images=dataset.test_images[two], train_labels=dataset.test_labels[two])
    batches = Batches(test_only, config, torch.device(device_name), recorded.layout == "channels_last")
    ranks = (TOP if card.classes > TOP else 1) if ranked else 0
    found = evaluate_model(model, batches.test(), AUTOCAST[recorded.precision], ranks=ranks)
    if not math.isfinite(found.loss):
        raise RunFailed(f"non-finite loss of {card.name} on {dataset.facts.name}: its accuracy would mean nothing")
    return found


def evaluation_data(candidate: Candidate, dataset: Dataset, found: Evaluation, device_name: str) -> dict[str, Any]:
    """The answer as data. The recorded numbers are null where the data is not that of the run."""
    from seekcli.report.run_summary import imbalanced

    card = candidate.card
    same_data = is_recorded_data(card, dataset, found.images)
    recorded = card.result.test_accuracy_percent if same_data else None
    return {
        "source": str(candidate.source),
        "model": card.model,
        "role": card.role,
        "pair": card.pair,
        "run_id": card.training.run_id,
        "epoch": card.result.epoch,
        "unfinished": card.training.unfinished and card.training.unfinished.model_dump(),
        "data": dataset.facts.name,
        "test_images": found.images,
        "own_data_known_by": own_data_known_by(candidate, dataset),
        "images_taken": images_taken(candidate, dataset),
        "test_accuracy_percent": found.accuracy_percent,
        "test_top5_accuracy_percent": found.top5_accuracy_percent,
        "test_balanced_accuracy_percent": found.balanced_accuracy_percent,
        "test_classes_imbalanced": imbalanced(found.class_images),
        "classes": [
            {"name": name, "images": images, "correct": correct, "accuracy_percent": recall}
            for name, images, correct, recall in zip(
                dataset.class_names, found.class_images, found.class_correct, found.class_accuracy_percent, strict=True
            )
        ],
        "test_loss": found.loss,
        "recorded_test_accuracy_percent": recorded,
        "equals_recorded": found.accuracy_percent == recorded if same_data else None,
        "device": device_name,
        "precision": card.evaluation.precision,
        "weights_sha256": card.weights.sha256,
    }


def is_recorded_data(card: Card, dataset: Dataset, images: int) -> bool:
    """Whether the recorded accuracy was measured on this test split. A folder is known by its fingerprint."""
    recorded = (card.training.data_fingerprint, card.result.test_images)
    if card.training.data_fingerprint is None and dataset.facts.name != card.training.data:
        return False
    return (dataset.fingerprint, images) == recorded


def evaluation_text(result: dict[str, Any], answers: Predictions | None = None) -> str:
    pair = f" of {result['pair']}" if result["pair"] else " (trained alone)"
    recorded = result["recorded_test_accuracy_percent"]
    beside = "no recorded accuracy: the run was made on other data"
    if recorded is not None:
        difference = result["test_accuracy_percent"] - recorded
        verdict = "equal" if result["equals_recorded"] else f"{difference:+.2f} points"
        left = result["unfinished"]
        when = f"after step {left['steps_done']:,} of an unfinished run" if left else f"after epoch {result['epoch']}"
        beside = f"recorded {recorded:.2f} % {when}: {verdict}"
    images, runtime = f"{result['test_images']:,} test images", f"{result['device']}, {result['precision']}"
    lines = [
        f"model     {result['model']}, {result['role']}{pair}, from {visible(result['source'])}",
        f"data      {visible(result['data'])}, {images}; {runtime}",
        f"images    {visible(result['images_taken'])}",
        f"accuracy  {result['test_accuracy_percent']:.2f} %  ({beside})",
    ]
    if result["training_images_among_them"] is not None:
        lines.append(f"overlap   {visible(result['training_images_among_them'])}")
    if result["recalibration"] is not None:
        lines.append(f"mended    {result['recalibration']}")
    if result["test_top5_accuracy_percent"] is not None:
        lines.append(f"top 5     {result['test_top5_accuracy_percent']:.2f} %")
    if result["test_classes_imbalanced"]:
        balanced = result["test_balanced_accuracy_percent"]
        lines.append(f"balanced  {balanced:.2f} %  (mean over the classes, which are of unequal size)")
    if answers is not None:
        lines.append(confusion_text(answers))
    return "\n".join(lines)
