"""Training text among the text that is evaluated on: a loss on it says nothing about new text."""

from __future__ import annotations

from seekcli.config.data_settings import DataConfig
from seekcli.data.text.reading import BYTES, Text, text_of
from seekcli.data.text.windows import DEFAULT_CONTEXT, cut_of
from seekcli.errors import BadInput, counted

NOT_KNOWN = (
    "not known: the text that the run was made of is gone or has changed since, so that nobody can tell which of these "
    "windows it was trained on"
)


def text_overlap(own: DataConfig, other: Text, first: int) -> str | None:
    """How many of the windows of `other` from token `first` on stand in the training part of the run's text, whole.

    Wherever they stand in it, character for character. None for none. `own` is as the run read its text.
    """
    try:
        text = text_of(own)
        if text.sha256 != own.fingerprint:
            return NOT_KNOWN
        cut = cut_of(text, own)
    except BadInput:
        return NOT_KNOWN
    trained = symbols(text)[: (cut.train + cut.held_out) * cut.context + 1]
    seen = symbols(other)[first:]
    context = own.context_length or DEFAULT_CONTEXT
    windows = [seen[start : start + context] for start in range(0, len(seen) - context, context)]
    found = sum(window in trained for window in windows)
    if not found:
        return None
    are = "stands" if found == 1 else "stand"
    return f"{found:,} of {counted(len(windows), 'window')} {are} in the training part of the run's text, word for word"


def overlap_of_parts(data: DataConfig) -> str | None:
    """The same of the test part of the run's own text; `data` is resolved."""
    return text_overlap(data, text_of(data), first_of_test(data))


def first_of_test(data: DataConfig) -> int:
    """The token at which the test part of a text begins."""
    return cut_of(text_of(data), data).test_start


def symbols(text: Text) -> str:
    """A character a token."""
    return text.contents.decode("latin-1") if text.tokenizer == BYTES else text.characters
