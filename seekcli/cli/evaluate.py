"""`seek evaluate`: a model, rebuilt from its card alone, on a test split; the recorded accuracy stands beside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.output import ReadFormat, echo_json
from seekcli.cli.recalibrate import recalibrate as mend
from seekcli.errors import BadInput, unknown

if TYPE_CHECKING:
    from torch import nn

    from seekcli.config import RunConfig
    from seekcli.data.sources import DataFacts, Dataset
    from seekcli.export.card import Card
    from seekcli.training.evaluation import Evaluation

ROLES = ("base", "motivated")


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate: from an export, or straight from a run (which also knows its whole config)."""

    card: Card
    model: nn.Module
    source: Path
    run: RunConfig | None = None


def evaluate(
    what: Annotated[
        str,
        typer.Argument(metavar="EXPORT_OR_RUN", help="An exported model, a folder of them, a run folder or a run id."),
    ],
    data: Annotated[str | None, typer.Option(help="Data whose test split is used (default: that of the run).")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data is.")] = None,
    role: Annotated[str | None, typer.Option(help="base or motivated (default: every model there is).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda[:i] or mps (default: as recorded).")] = None,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Estimate BatchNorm statistics anew first, on training images.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Results folder in which a run id is looked up.")] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Evaluate exported models, or those of a finished run, on a test split, prepared as their cards say."""
    if role is not None and role not in ROLES:
        raise unknown("--role", role, ROLES)
    results = []
    for candidate in find_candidates(what, role, out):
        name = choose_device(candidate.card, device)
        dataset = load_data(candidate, data, data_dir)
        set_threads(candidate.card, name)
        model = placed(candidate, name)
        done = mend(candidate.card, model, dataset, candidate.run, name) if recalibrate else None
        found = run_evaluation(candidate.card, model, dataset, name)
        results.append({**describe(candidate, dataset, found, name), "recalibration": str(done) if done else None})
    if format_ is ReadFormat.JSON:
        echo_json(results)
    else:
        typer.echo("\n\n".join(as_text(result) for result in results))


def find_candidates(what: str, role: str | None, results: Path) -> list[Candidate]:
    """The models that `what` means, loaded and verified. Raises BadInput when there is none of that role."""
    from seekcli.export.finished_run import choose_roles, find_run, open_run
    from seekcli.export.formats import take_model
    from seekcli.export.load import find_cards, is_export, load_model

    path = Path(what)
    if is_export(path):
        cards = find_cards(path) if path.is_dir() else [path]
        loaded = [(card, *load_model(card)) for card in cards]
        found = [Candidate(card, model, path) for path, model, card in loaded if role in (None, card.role)]
        if not found:
            raise BadInput(f"--role {role}: {path} holds no {role} model")
        return found
    run = open_run(find_run(what, results))
    taken = [(run.weights_path(one), take_model(run, one)) for one in choose_roles(run, role)]
    return [Candidate(one.card, one.model, path, run.config) for path, one in taken]


def choose_device(card: Card, asked: str | None) -> str:
    """The device asked for, or the recorded one; the CPU where this machine has no such device."""
    from seekcli.training import device

    if asked not in (None, "auto"):
        device.check_device(asked)
        return asked
    try:
        device.check_device(card.evaluation.device_type)
    except BadInput:
        return "cpu"
    return card.evaluation.device_type


def load_data(candidate: Candidate, data: str | None, data_dir: str | None) -> Dataset:
    """The data at the card's input size, normalised by the card's mean and deviation instead of its own.

    Raises BadInput when it does not fit the model; what the name alone tells is checked before anything is read.
    """
    from seekcli.config import merge
    from seekcli.data import sources
    from seekcli.data.holdout import hold_out

    card = candidate.card
    name = data or card.training.data
    own_dir = candidate.run.data.dir if candidate.run is not None else None
    folder = data_dir or (own_dir if data is None else None)
    if data is None and folder is None and name.startswith(("folder:", "imagenet:")):
        place = f"{name.partition(':')[0]}:DIR"
        raise BadInput(f"--data: the run was made on {name}, and a card names no place: name it as --data {place}")
    settings: dict[str, Any] = {"data.name": name, "data.dir": folder, "data.image_size": card.input.image_size}
    settings |= {f"data.{key}": value for key, value in card.training.data_settings.items()}
    if card.input.test_crop is not None:
        settings["data.test_crop"] = card.input.test_crop
    if data is None:
        settings["data.fingerprint"] = card.training.data_fingerprint
    if name == card.training.data:
        settings |= split_settings(candidate)
    config = merge([("--data", settings)]).config.data
    check_shape(candidate, sources.describe(config))
    held_out, seed = (candidate.run.data.holdout_images, candidate.run.seed) if candidate.run is not None else (0, 0)
    dataset = hold_out(sources.load(config), held_out if name == card.training.data else 0, seed)
    check_class_names(candidate, dataset)
    return replace(dataset, mean=card.input.mean, std=card.input.std)


def split_settings(candidate: Candidate) -> dict[str, Any]:
    """How the run cut the data that it was made on: its test images again, and its training images alone."""
    if candidate.run is None:
        return {"data.limit_train": candidate.card.training.limit_train}
    data = candidate.run.data
    names = ("limit_train", "test_images", "validation_fraction", "holdout_images")
    return {f"data.{name}": getattr(data, name) for name in names}


def check_shape(candidate: Candidate, facts: DataFacts) -> None:
    card = candidate.card
    if facts.classes != card.classes:
        raise BadInput(f"--data {facts.name} has {facts.classes} classes, {candidate.source} has {card.classes}")
    if facts.channels != card.input.channels:
        channels = f"{facts.channels} channels, {candidate.source} takes {card.input.channels}"
        raise BadInput(f"--data {facts.name} has images of {channels}")


def check_class_names(candidate: Candidate, dataset: Dataset) -> None:
    """Raise BadInput unless label i of the data means what output i of the model means."""
    for index, (theirs, ours) in enumerate(zip(dataset.class_names, candidate.card.class_names, strict=True)):
        if theirs != ours:
            raise BadInput(
                f"--data {dataset.facts.name}: class {index} is {theirs!r}, that of {candidate.source} is {ours!r}: "
                "an accuracy over other classes would mean nothing"
            )


def set_threads(card: Card, device_name: str) -> None:
    """The thread count moves the last bits of a sum, and with them, once in a long while, a prediction."""
    import os

    import torch

    threads = card.evaluation.threads
    if device_name == "cpu" and threads and threads <= (os.cpu_count() or 1):
        torch.set_num_threads(threads)


def placed(candidate: Candidate, device_name: str) -> nn.Module:
    """The model on the device, in the memory layout that is recorded."""
    import torch

    from seekcli.training.device import place

    channels_last = candidate.card.evaluation.layout == "channels_last"
    return place(candidate.model, torch.device(device_name), channels_last)


def run_evaluation(card: Card, model: nn.Module, dataset: Dataset, device_name: str) -> Evaluation:
    """Evaluate as the run did: batch size, precision and memory layout are the recorded ones."""
    import torch

    from seekcli.config import merge
    from seekcli.data.batches import Batches
    from seekcli.training.evaluation import evaluate as evaluate_model
    from seekcli.training.step import AUTOCAST

    recorded = card.evaluation
    config = merge([("card", {"train.eval_batch_size": recorded.batch_size})]).config
    # The training images are not needed: two of them keep the batches valid and the device's memory free.
    test_only = replace(dataset, train_images=dataset.train_images[:2], train_labels=dataset.train_labels[:2])
    batches = Batches(test_only, config, torch.device(device_name), recorded.layout == "channels_last")
    return evaluate_model(model, batches.test(), AUTOCAST[recorded.precision])


def describe(candidate: Candidate, dataset: Dataset, found: Evaluation, device_name: str) -> dict[str, Any]:
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
        "data": dataset.facts.name,
        "test_images": found.images,
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


def as_text(result: dict[str, Any]) -> str:
    pair = f" of {result['pair']}" if result["pair"] else " (trained alone)"
    recorded = result["recorded_test_accuracy_percent"]
    beside = "no recorded accuracy: the run was made on other data"
    if recorded is not None:
        difference = result["test_accuracy_percent"] - recorded
        verdict = "equal" if result["equals_recorded"] else f"{difference:+.2f} points"
        beside = f"recorded {recorded:.2f} % after epoch {result['epoch']}: {verdict}"
    images, runtime = f"{result['test_images']:,} test images", f"{result['device']}, {result['precision']}"
    lines = [
        f"model     {result['model']}, {result['role']}{pair}, from {result['source']}",
        f"data      {result['data']}, {images}; {runtime}",
        f"accuracy  {result['test_accuracy_percent']:.2f} %  ({beside})",
    ]
    if result["recalibration"] is not None:
        lines.append(f"mended    {result['recalibration']}")
    if result["test_top5_accuracy_percent"] is not None:
        lines.append(f"top 5     {result['test_top5_accuracy_percent']:.2f} %")
    if result["test_classes_imbalanced"]:
        balanced = result["test_balanced_accuracy_percent"]
        lines.append(f"balanced  {balanced:.2f} %  (mean over the classes, which are of unequal size)")
    return "\n".join(lines)
