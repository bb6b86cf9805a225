"""Evaluating models that are written: exports, or those of a finished run, each rebuilt from its card alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.data.sets.kept_listings import listings_kept
from seekcli.engines.evaluation_data import (
    Candidate,
    images_taken,
    is_read_otherwise,
    load_for_card,
    own_data_known_by,
    training_images_among,
)
from seekcli.engines.own_task_evaluation import evaluate_own_task, run_of_own_task
from seekcli.engines.recalibrate import recalibrate as estimate_anew
from seekcli.engines.text_evaluation import (
    load_text_for_card,
    refuse_what_is_of_images,
    run_text_evaluation,
    text_answer,
    training_text_among,
)
from seekcli.errors import BadInput, RunFailed, unknown
from seekcli.method.roles import ROLES
from seekcli.report.predictions import Predictions

if TYPE_CHECKING:
    from torch import nn

    from seekcli.data.loading.batches import Batches
    from seekcli.data.sets.sources import Dataset
    from seekcli.export.card import Card
    from seekcli.train.tasks.classification import Evaluation


@dataclass(frozen=True)
class Evaluated:
    """One model: the answer as data, and the answer to each image where that was asked for."""

    answer: dict[str, Any]
    predictions: Predictions | None = None


def evaluate_models(
    what: str,
    data: str | None = None,
    data_dir: str | None = None,
    *,
    role: str | None = None,
    device: str | None = None,
    recalibrate: bool = False,
    with_predictions: bool = False,
    results: Path = Path("results"),
) -> Iterator[Evaluated]:
    """Evaluate the models that `what` means: an export, a folder of them, a run folder or a run id in `results`.

    Without `data` on the data of the run; the words of `seek evaluate` mean the same here. Raises BadInput for what
    does not fit, before anything is evaluated.
    """
    if role is not None and role not in ROLES:
        raise unknown("--role", role, ROLES)
    if (own := run_of_own_task(what, results)) is not None:
        of_images = recalibrate or with_predictions
        for answer in evaluate_own_task(own, role, data, device, of_images=of_images):
            yield Evaluated(answer)
        return
    for candidate in find_candidates(what, role, results):
        name = choose_device(candidate.card, device)
        if candidate.card.text is not None:
            refuse_what_is_of_images(recalibrate, with_predictions)
            texts = load_text_for_card(candidate, data, data_dir)
            set_threads(candidate.card, name)
            said = run_text_evaluation(candidate.card, model_on_device(candidate, name), texts, name)
            among = training_text_among(candidate, data, data_dir)
            yield Evaluated(text_answer(candidate, texts, said, name, among))
            continue
        with listings_kept():
            dataset = load_for_card(candidate, data, data_dir)
            among = training_images_among(candidate, dataset, data, data_dir)
        set_threads(candidate.card, name)
        model = model_on_device(candidate, name)
        done = estimate_anew(candidate.card, model, dataset, candidate.run, name) if recalibrate else None
        found = run_evaluation(candidate.card, model, dataset, name, ranked=with_predictions)
        answer = evaluation_data(candidate, dataset, found, name)
        answer |= {"training_images_among_them": among, "recalibration": str(done) if done else None}
        predictions = predictions_of(candidate.card, dataset, found) if with_predictions else None
        if predictions is not None:
            answer["confusion_matrix"] = predictions.confusion_matrix()
        yield Evaluated(answer, predictions)


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
    from seekcli.train.step import AUTOCAST
    from seekcli.train.tasks.classification import TOP, evaluate_model

    batches = batches_to_evaluate(card, dataset, device_name)
    ranks = (TOP if card.classes > TOP else 1) if ranked else 0
    found = evaluate_model(model, batches.test(), AUTOCAST[card.evaluation.precision], ranks=ranks)
    if not math.isfinite(found.loss):
        raise RunFailed(f"non-finite loss of {card.name} on {dataset.facts.name}: its accuracy would mean nothing")
    return found


def batches_to_evaluate(card: Card, dataset: Dataset, device_name: str) -> Batches:
    """The test images of `dataset` as the run evaluated on its own: batch size and memory layout as recorded."""
    import torch

    from seekcli.data.loading.batches import Batches

    recorded = card.evaluation
    # The training images are not needed: two images in their place keep the batches valid and the memory free.
    two = torch.zeros(2, dtype=torch.int64)
    test_only = replace(dataset, train_images=dataset.test_images[two], train_labels=dataset.test_labels[two])
    return Batches(
        test_only,
        torch.device(device_name),
        batch_size=len(two),
        eval_batch_size=recorded.batch_size,
        channels_last=recorded.layout == "channels_last",
    )


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
    if is_read_otherwise(card, dataset):
        return False
    if card.training.data_fingerprint is None and dataset.facts.name != card.training.data:
        return False
    return (dataset.fingerprint, images) == recorded


def predictions_of(card: Card, dataset: Dataset, found: Evaluation) -> Predictions:
    assert found.ranking is not None
    return Predictions(
        role=card.role,
        model=card.model,
        images=dataset.test_paths or [str(index) for index in range(found.images)],
        class_names=dataset.class_names,
        true_classes=dataset.test_labels.tolist(),
        ranked_classes=found.ranking.classes.tolist(),
        probabilities=found.ranking.probabilities.tolist(),
    )
