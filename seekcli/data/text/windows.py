"""Which tokens of a text are for training, validation and test: contiguous parts, cut into windows one after another.

A window of T tokens is read with the token after it: T predictions. What is left at the end of a part, and is shorter
than a window, is not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seekcli.config.data_settings import DataConfig
from seekcli.data.text.reading import Text
from seekcli.errors import BadInput

if TYPE_CHECKING:
    import torch

DEFAULT_CONTEXT = 128
# The last tenth of a text is its test part.
TEST_PARTS = 10


@dataclass(frozen=True)
class Cut:
    """Counts of windows, `held_out` those of data.holdout_images; the test part begins at token `test_start`."""

    context: int
    train: int
    held_out: int
    validation: int
    test: int
    test_start: int


def cut_of(text: Text, data: DataConfig) -> Cut:
    """Training windows come first, then those of the validation split. Raises BadInput where one of them has none."""
    context = data.context_length or DEFAULT_CONTEXT
    test_tokens = -(-text.length // TEST_PARTS)
    start = text.length - test_tokens
    windows, test = (start - 1) // context, (test_tokens - 1) // context
    if windows < 2 or test < 1:
        longest = max(0, min((start - 1) // 2, test_tokens - 1))
        advice = f"at most {longest}" if longest >= 2 else "a longer text is needed"
        raise BadInput(
            f"data.context_length {context}: too long for {text.name}, whose {text.length:,} tokens make "
            f"{windows} training and {test} test windows; {advice}"
        )
    if data.limit_train is not None and data.limit_train >= windows:
        raise BadInput(f"--limit-train {data.limit_train}: {text.name} has {windows} training windows; give fewer")
    windows = data.limit_train or windows
    validation = math.floor(data.validation_fraction * windows + 0.5)
    train = windows - validation - data.holdout_images
    if data.validation_fraction and not 1 <= validation < windows:
        raise BadInput(
            f"data.validation_fraction {data.validation_fraction:g}: {validation} of {windows} windows leaves too few "
            "on one side"
        )
    if train < 2:
        taken = f"data.holdout_images {data.holdout_images}" if data.holdout_images else f"--limit-train {windows}"
        raise BadInput(f"{taken}: {max(train, 0)} of {windows} windows of {text.name} are left to train on")
    return Cut(context, train, data.holdout_images, validation, test, start)


def windows_of(tokens: torch.Tensor, count: int, context: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` windows from the first token on: ids [count, context], and for each position the id that follows.

    Both are views of the tokens: a text takes its memory once.
    """
    seen = tokens.unfold(0, context, context)[:count]
    following = tokens[1:].unfold(0, context, context)[:count]
    return seen, following
