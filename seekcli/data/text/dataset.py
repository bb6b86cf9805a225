"""A text as a data set: its facts before a run, and its windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seekcli.config.data_settings import DataConfig
from seekcli.data.keys import key_of
from seekcli.data.sets.dataset import Dataset
from seekcli.data.sets.kind import DataFacts
from seekcli.data.text.reading import BYTES, Text, bytes_of_tokens, text_of
from seekcli.data.text.windows import DEFAULT_CONTEXT, Cut, cut_of, windows_of
from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

# Settings of [data] that are of images or their classes, with what they are left at.
OF_IMAGES = {
    "image_size": None,
    "train_size": None,
    "test_images": None,
    "folds": None,
    "fold": None,
    "fit": "crop",
    "grey_bits": None,
    "whole_digest": False,
}
OF_TEXT = ("tokenizer", "context_length")


def check_asked_of_text(data: DataConfig) -> None:
    """Raise BadInput for a setting that a text does not read."""
    for name, unset in OF_IMAGES.items():
        if (value := getattr(data, name)) != unset and name.startswith("fold"):
            raise BadInput(f"--k auto, --folds and data.{name} are for images: {data.name} has no folds")
        if value != unset:
            instead = "; a text has data.context_length" if name.endswith("_size") else ""
            raise BadInput(f"data.{name} {value} is for images, and this is {data.name}{instead}")


def check_asked_of_images(data: DataConfig) -> None:
    """Raise BadInput for a setting of texts."""
    for name in OF_TEXT:
        if (value := getattr(data, name)) is not None:
            raise BadInput(f"data.{name} {value} is for --data text:FILE alone, and this is {data.name}")


def text_facts(data: DataConfig) -> DataFacts:
    """Windows stand where images do, and tokens of the vocabulary where classes do."""
    check_asked_of_text(data)
    text = text_of(data)
    cut = cut_of(text, data)
    return DataFacts(text.name, len(text.vocabulary), 1, cut.context, cut.train, cut.test)


def text_summary(data: DataConfig) -> str:
    """How many windows there are of what, in words."""
    text = text_of(data)
    return summary_of(text, cut_of(text, data))


def summary_of(text: Text, cut: Cut) -> str:
    held_out = f", {cut.held_out:,} held-out" if cut.held_out else ""
    validation = f", {cut.validation:,} validation" if cut.validation else ""
    return (
        f"{text.name}: {cut.train:,} training{held_out}{validation} and {cut.test:,} test windows of {cut.context} "
        f"tokens, {len(text.vocabulary)} different ones ({text.tokenizer}); {split_words(text, cut)}"
    )


def split_words(text: Text, cut: Cut) -> str:
    validation = ", the windows before it for validation" if cut.validation else ""
    test = f"the last {text.length - cut.test_start:,} of {text.length:,} tokens for test"
    return f"split by position: {test}{validation}"


def load_text(data: DataConfig) -> Dataset:
    """The windows. Raises BadInput as `text_facts` does, and for another text than the run was made for."""
    import torch

    facts, text = text_facts(data), text_of(data)
    if data.fingerprint not in (None, text.sha256):
        raise BadInput(f"--data {text.name}: its contents are not those that this run was made for")
    cut = cut_of(text, data)
    tokens = torch.from_numpy(text.tokens())
    whole = cut.train + cut.held_out
    seen, following = windows_of(tokens, whole + cut.validation, cut.context)
    test, test_following = windows_of(tokens[cut.test_start :], cut.test, cut.context)
    return Dataset(
        facts, seen[:whole], following[:whole], test, test_following, text.vocabulary, (), (), split_words(text, cut),
        data.rules, text.sha256,
        validation_images=seen[whole:] if cut.validation else None,
        validation_labels=following[whole:] if cut.validation else None,
        token_bytes=text.token_bytes,
        words=summary_of(text, cut),
    )  # fmt: skip


def load_whole_text(data: DataConfig, vocabulary: tuple[str, ...], encode: Callable[[str], Tensor]) -> Dataset:
    """Every window of a text that a model was not made for, in the model's own vocabulary, as a test split.

    `encode` gives the ids of characters, int64 [T], and raises ValueError for one that the vocabulary has not. Raises
    BadInput then, and for less text than a window.
    """
    import torch

    text, context = text_of(data), data.context_length or DEFAULT_CONTEXT
    windows = (text.length - 1) // context
    if not windows:
        raise BadInput(
            f"--data {text.name}: its {text.length:,} tokens are less than a window of {context} and the next"
        )
    try:
        tokens = torch.from_numpy(text.tokens()) if text.tokenizer == BYTES else encode(text.characters)
    except ValueError as error:
        raise BadInput(f"--data {text.name}: {error}, the characters of the text that the model was made of") from None
    seen, following = windows_of(tokens, windows, context)
    facts = DataFacts(text.name, len(vocabulary), 1, context, 0, windows)
    none = seen[:0]
    return Dataset(
        facts, none, none, seen, following, vocabulary, (), (), f"all windows of {context} tokens", data.rules,
        text.sha256, token_bytes=bytes_of_tokens(text.tokenizer, vocabulary),
    )  # fmt: skip


def windows_held_out(windows: int, count: int, seed: int) -> list[int]:
    """Which training windows are held out: the seed alone chooses."""
    return sorted(sorted(range(windows), key=lambda window: key_of(f"holdout {seed}", window))[:count])
