"""The card of an exported model: it reads back as it was written, refuses what it is not, and normalises images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_runs import make_run

from seekcli.config.settings import DataConfig
from seekcli.data.loading.batches import Batches
from seekcli.data.sets.sources import load
from seekcli.errors import BadInput, visible
from seekcli.export.card import Card, read_card
from seekcli.export.finished_run import open_run
from seekcli.export.formats import take_model


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return take_model(open_run(make_run(tmp_path_factory.mktemp("results"))), "base").card


def written(tmp_path: Path, card: Card, **changes: Any) -> Path:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card.as_data() | changes), encoding="utf-8")
    return path


def test_a_card_reads_back_as_it_was_written(card: Card, tmp_path: Path) -> None:
    assert read_card(written(tmp_path, card)) == card


def test_a_card_names_no_path_of_the_machine(tmp_path: Path) -> None:
    run = make_run(tmp_path / "results", data__name="folder:flowers", data__dir=str(tmp_path / "flowers"))
    assert str(tmp_path) not in json.dumps(take_model(open_run(run), "base").card.as_data())


def test_a_newer_card_is_refused_by_name(card: Card, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"card\.json was written by a newer seek \(card version 3"):
        read_card(written(tmp_path, card, format_version=3))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format_version": "1"}'])
def test_what_is_no_card_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"card\.json"):
        read_card(path)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"classes": 0}, "classes"),
        ({"role": "teacher"}, "role"),
        ({"class_names": ["a", "b"]}, "class_names has 2 entries instead of 10"),
        ({"input": {"channels": 3, "image_size": 8, "mean": [0.5], "std": [0.5]}}, "mean has 1 entries instead of 3"),
        ({"weights": {"file": "../x.safetensors", "sha256": "0", "bytes": 1, "parameters": 1}}, "bare file name"),
    ],
)
def test_a_damaged_card_is_refused_with_the_key(card: Card, tmp_path: Path, changes: Any, key: str) -> None:
    with pytest.raises(BadInput, match=key):
        read_card(written(tmp_path, card, **changes))


IMPOSSIBLE: list[tuple[str, Any]] = [
    ("evaluation.threads", -5),
    ("evaluation.threads", 0),
    ("evaluation.batch_size", 2**70),
    ("input.channels", 10**9),
    ("input.image_size", 10**9),
    ("input.std", [0.0]),
    ("input.std", [-1.0]),
    ("result.test_accuracy_percent", 101.0),
    ("result.test_images", -1),
    ("training.seed", -1),
    ("training.epochs", 0),
    ("training.k", 0),
    ("weights.bytes", -1),
    ("weights.file", "../other.safetensors"),
    ("weights.file", "a\0b"),
    ("weights.file", "\x1b[31m"),
    ("weights.file", "caf\udce9"),
]


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_a_card_that_says_what_cannot_be_is_refused_with_the_key(
    card: Card, tmp_path: Path, key: str, value: Any
) -> None:
    part, _, name = key.partition(".")
    path = written(tmp_path, card, **{part: card.as_data()[part] | {name: value}})
    with pytest.raises(BadInput, match=rf"card\.json is damaged: {re.escape(key)}") as refused:
        read_card(path)
    assert visible(str(refused.value)) == str(refused.value)


def test_normalise_scales_bytes_and_takes_floats_as_they_are(card: Card) -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    expected = (torch.tensor([0.0, 0.2, 1.0]) - 0.3055) / 0.3765
    assert torch.allclose(card.normalise(pixels).flatten(), expected)
    assert torch.allclose(card.normalise(torch.tensor([0.0, 0.2, 1.0]).view(1, 1, 1, 3)).flatten(), expected)


def test_normalise_gives_the_very_bits_of_training(card: Card) -> None:
    """Bytes, and floats made of them, become what `data.batches` feeds to a model that trains."""
    dataset = load(DataConfig(name="digits"))
    images, _ = next(Batches(dataset, torch.device("cpu"), batch_size=128, eval_batch_size=500).test())
    own = card.input.model_copy(update={"mean": dataset.mean, "std": dataset.std})
    card = card.model_copy(update={"input": own})
    pixels = dataset.test_images[: len(images)]
    assert torch.equal(card.normalise(pixels), images)
    assert torch.equal(card.normalise(pixels / 255), images)


def test_normalise_treats_each_channel_by_its_own_statistics(card: Card) -> None:
    size = card.input.model_copy(update={"channels": 2, "mean": (0.0, 0.5), "std": (1.0, 0.25)})
    images = card.model_copy(update={"input": size}).normalise(torch.ones(3, 2, 4, 4))
    assert images[:, 0].eq(1.0).all()
    assert images[:, 1].eq(2.0).all()


@pytest.mark.parametrize(
    "images", [torch.zeros(2, 3, 8, 8), torch.zeros(8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.int64)]
)
def test_normalise_refuses_images_of_another_kind(card: Card, images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="images are"):
        card.normalise(images)
