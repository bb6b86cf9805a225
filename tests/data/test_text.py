"""A text as data: its tokens, its parts, its windows and their order; what is no text is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seekcli.config.settings import DataConfig
from seekcli.data.loading.windows import WindowBatches
from seekcli.data.sets.sources import data_facts, fingerprint_of, load
from seekcli.errors import BadInput

TEXT = "na\u00efve caf\u00e9 \u2014 " * 40  # 13 characters of 1, 2 and 3 bytes; 520 in all


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


def config_of(file: Path, **settings: object) -> DataConfig:
    return DataConfig.model_validate({"name": f"text:{file}", "context_length": 8, **settings})


def test_parts_are_contiguous_and_windows_follow_one_another(file: Path) -> None:
    dataset = load(config_of(file, validation_fraction=0.1))
    seen = [dataset.train_images, dataset.validation_images, dataset.test_images]
    following = [dataset.train_labels, dataset.validation_labels, dataset.test_labels]
    names = dataset.class_names
    assert names == tuple(sorted(set(TEXT)))
    windows = ["".join(names[token] for token in window) for part in seen for window in part.tolist()]
    shifted = ["".join(names[token] for token in window) for part in following for window in part.tolist()]
    # 520 tokens: the last 52 for test; 467 // 8 = 58 windows before them, 6 of these for validation
    assert [len(part) for part in seen] == [52, 6, 6]
    starts = [*range(0, 58 * 8, 8), *range(468, 468 + 6 * 8, 8)]
    assert windows == [TEXT[start : start + 8] for start in starts]
    assert shifted == [TEXT[start + 1 : start + 9] for start in starts]


def test_bytes_of_the_tokens_add_up_to_those_of_the_text(file: Path) -> None:
    characters, by_byte = (load(config_of(file, tokenizer=name)) for name in ("characters", "bytes"))
    size = dict(zip(characters.class_names, characters.token_bytes or (), strict=True))
    assert sum(size[character] for character in TEXT) == len(TEXT.encode())
    assert by_byte.facts.classes == 256
    assert set(by_byte.token_bytes or ()) == {1}
    assert bytes(by_byte.train_images[0].tolist()) == TEXT.encode()[:8]


def test_a_text_is_known_by_its_contents(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(file.read_bytes())
    assert fingerprint_of(config_of(file)) == fingerprint_of(config_of(other))
    made_for = config_of(file, fingerprint=fingerprint_of(config_of(file)))
    file.write_text(TEXT + "!", encoding="utf-8")
    with pytest.raises(BadInput, match="not those that this run was made for"):
        load(made_for)


def test_an_epoch_shows_each_window_once_in_an_order_of_its_own(file: Path) -> None:
    dataset = load(config_of(file))

    def order(seed: int, epoch: int, start: int = 0) -> list[tuple[int, ...]]:
        batches = WindowBatches(dataset, torch.device("cpu"), batch_size=8, eval_batch_size=4, seed=seed)
        return [tuple(window) for seen, _ in batches.epoch(epoch, start) for window in seen.tolist()]

    assert sorted(order(0, 0)) == sorted(map(tuple, dataset.train_images.tolist()))
    assert order(0, 0)[16:] == order(0, 0, start=2)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.mark.parametrize(
    ("contents", "settings", "problem"),
    [
        (b"", {}, "the file is empty"),
        (b"aaaa" * 100, {}, "the same symbol throughout, 'a'"),
        (b"\xff\xfe" * 100, {}, "is not UTF-8 text"),
        (b"ab" * 100, {"context_length": 20}, "at most 19"),
        (b"ab", {}, "a longer text is needed"),
        (b"ab" * 100, {"image_size": 8}, "data.image_size 8 is for images"),
        (b"ab" * 100, {"folds": 5, "fold": 0}, "has no folds"),
        (b"ab" * 100, {"limit_train": 999}, "--limit-train 999"),
        (None, {}, "there is no such file"),
    ],
)
def test_what_is_no_text_to_learn_from_is_told(tmp_path: Path, contents: bytes | None, settings, problem: str) -> None:
    file = tmp_path / "some.txt"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(BadInput, match=problem):
        data_facts(config_of(file, **settings))


def test_a_setting_of_texts_is_refused_for_images() -> None:
    with pytest.raises(BadInput, match="tokenizer bytes is for --data text:FILE alone"):
        data_facts(DataConfig(name="digits", tokenizer="bytes"))


def test_a_device_is_no_text(tmp_path):
    with pytest.raises(BadInput, match="is no file, but a pipe, a socket or a device"):
        data_facts(DataConfig(name="text:/dev/zero"))
