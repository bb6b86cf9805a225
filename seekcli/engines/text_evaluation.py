"""Evaluating a language model that is written: on the test part of its run's own text, or on all of another one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from torch import nn

    from seekcli.config.data_settings import DataConfig
    from seekcli.data.sets.dataset import Dataset
    from seekcli.engines.evaluation_data import Candidate
    from seekcli.export.card import Card
    from seekcli.train.tasks.language_modelling import TextEvaluation

OWN = "the run's own text, its test part"


def load_text_for_card(candidate: Candidate, data: str | None, data_dir: str | None) -> Dataset:
    """The windows to evaluate on, in the model's own vocabulary. A text is the run's own where its contents are.

    Raises BadInput for data that is no text, that cannot be read, or has characters that the model does not know.
    """
    from seekcli.data.text.dataset import load_text, load_whole_text
    from seekcli.data.text.reading import text_of

    asked = text_config(candidate, data, data_dir)
    own = candidate.card.training.data_fingerprint
    if data is not None and text_of(asked).sha256 != own:
        return load_whole_text(asked, candidate.card.class_names, candidate.card.encode)
    return load_text(asked.model_copy(update={"fingerprint": own}))


def training_text_among(candidate: Candidate, data: str | None, data_dir: str | None) -> str | None:
    """How many of the windows that are evaluated on are training text of the run; None for none.

    An export does not know where the text of its run lies, but for the one that Python ships.
    """
    from seekcli.config.data_settings import DataConfig
    from seekcli.data.text.overlap import first_of_test, text_overlap
    from seekcli.data.text.reading import BUNDLED, WORD, text_of

    training, read = candidate.card.training, candidate.card.text
    assert read is not None
    if candidate.run is not None:
        own = candidate.run.data
    elif training.data == f"{WORD}:{BUNDLED}":
        own = DataConfig(name=training.data, tokenizer=read.tokenizer, context_length=read.context_length)
        own = own.model_copy(update={"fingerprint": training.data_fingerprint, "limit_train": training.limit_train})
    else:
        return "not looked for: an export does not know its training text, `seek evaluate RUN` does"
    asked = text_config(candidate, data, data_dir)
    other = text_of(asked)
    same = data is None or other.sha256 == training.data_fingerprint
    return text_overlap(own, other, first_of_test(asked) if same else 0)


def text_config(candidate: Candidate, data: str | None, data_dir: str | None) -> DataConfig:
    """The text that the flags name, to be read as the model reads; without `--data` that of the run."""
    from seekcli.config.data_settings import DataConfig
    from seekcli.data.text.reading import BUNDLED, WORD, is_text

    card = candidate.card
    assert card.text is not None
    name = data or card.training.data
    run_dir = candidate.run.data.dir if candidate.run is not None and data is None else None
    read = card.text
    config = DataConfig(
        name=name, dir=data_dir or run_dir, tokenizer=read.tokenizer, context_length=read.context_length
    )
    if not is_text(config):
        raise BadInput(f"--data {name}: {candidate.source} is a language model: --data text:FILE or text:{BUNDLED}")
    if data is None and config.dir is None and name != f"{WORD}:{BUNDLED}":
        raise BadInput(f"--data: the run was made on {name}, and a card names no place: name it as --data {WORD}:FILE")
    if run_dir is not None and config.dir == run_dir and not Path(run_dir).exists():
        raise BadInput(f"--data: the text of the run was {run_dir}, which is gone: --data {WORD}:FILE says where it is")
    return config


def refuse_what_is_of_images(recalibrate: bool, predictions: bool = False, preprocessing: bool = False) -> None:
    """Raise BadInput for a flag that means nothing for a language model."""
    flags = {
        "--recalibrate: language models have no BatchNorm statistics": recalibrate,
        "--predictions: is for image classifiers; a language model has no class to predict": predictions,
        "--with-preprocessing: is for image classifiers; a language model takes tokens": preprocessing,
    }
    for message, asked in flags.items():
        if asked:
            raise BadInput(message)


def run_text_evaluation(card: Card, model: nn.Module, dataset: Dataset, device_name: str) -> TextEvaluation:
    """As the run did: batch size and precision are the recorded ones. Raises RunFailed for a non-finite loss."""
    import torch

    from seekcli.data.loading.windows import WindowBatches
    from seekcli.train.step import AUTOCAST
    from seekcli.train.tasks.language_modelling import TextEvaluation, language_modelling

    assert dataset.token_bytes is not None
    # The training windows are not needed: one in their place keeps the batches valid and the memory free.
    test_only = replace(dataset, train_images=dataset.test_images[:1], train_labels=dataset.test_labels[:1])
    device, size = torch.device(device_name), card.evaluation.batch_size
    batches = WindowBatches(test_only, device, batch_size=1, eval_batch_size=size)
    evaluate = language_modelling(dataset.token_bytes).evaluate
    found = evaluate(model, batches.evaluation("test"), AUTOCAST[card.evaluation.precision], lambda windows: None)
    assert isinstance(found, TextEvaluation)
    if not math.isfinite(found.loss):
        raise RunFailed(f"non-finite loss of {card.name} on {dataset.facts.name}: it means nothing")
    return found


def text_answer(
    candidate: Candidate, dataset: Dataset, found: TextEvaluation, device_name: str, among: str | None
) -> dict[str, Any]:
    """The answer as data. The recorded numbers are null where the text is not that of the run."""
    card = candidate.card
    own = dataset.fingerprint == card.training.data_fingerprint
    result = card.result
    return {
        "task": "language modelling",
        "source": str(candidate.source),
        "model": card.model,
        "role": card.role,
        "pair": card.pair,
        "run_id": card.training.run_id,
        "epoch": result.epoch,
        "unfinished": card.training.unfinished and card.training.unfinished.model_dump(),
        "data": dataset.facts.name,
        "own_data_known_by": "contents" if own else None,
        "windows_taken": f"{OWN if own else 'another text than the run was made on'}: {dataset.split}",
        "training_windows_among_them": among,
        "test_windows": found.images,
        "test_tokens": found.tokens,
        "test_bytes": found.bytes,
        **{f"test_{name}": value for name, value in found.columns().items()},
        "recorded_test_loss": result.test_loss if own else None,
        "recorded_test_bits_per_byte": result.test_bits_per_byte if own else None,
        "equals_recorded": found.loss == result.test_loss if own else None,
        "device": device_name,
        "precision": card.evaluation.precision,
        "weights_sha256": card.weights.sha256,
    }
