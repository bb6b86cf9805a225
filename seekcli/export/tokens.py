"""Text to the ids of its tokens and back, as the card of a language model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from seekcli.errors import shown_value

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 3  # unknown characters that a message names


class TextCard(BaseModel):
    """Of a language model: int64 tokens [batch, T], T at most `context_length` -> logits [batch, T, classes].

    Tokens are ids of `class_names`: characters by code point, or all 256 bytes, where each is its own id.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    tokenizer: Literal["characters", "bytes"]
    context_length: int = Field(ge=2, le=65536)

    def encode(self, text: str, vocabulary: Sequence[str]) -> Tensor:
        """Ids int64 [T]. Raises ValueError naming characters that the vocabulary has not."""
        import torch

        if self.tokenizer == "bytes":
            return torch.tensor(list(text.encode()), dtype=torch.int64)
        ids = {character: index for index, character in enumerate(vocabulary)}
        if unknown := sorted(set(text) - ids.keys()):
            more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
            raise ValueError(f"the vocabulary has no {', '.join(map(shown_value, unknown[:SHOWN]))}{more}")
        return torch.tensor([ids[character] for character in text], dtype=torch.int64)

    def decode(self, tokens: Sequence[int], vocabulary: Sequence[str]) -> str:
        """What tokens stand for; bytes that make no UTF-8 become U+FFFD. Raises ValueError for what is no token."""
        for token in tokens:
            if not 0 <= token < len(vocabulary):
                raise ValueError(f"token {token} is none of the {len(vocabulary)} of the vocabulary")
        if self.tokenizer == "bytes":
            return bytes(tokens).decode("utf-8", errors="replace")
        return "".join(vocabulary[token] for token in tokens)


def read_as(text: TextCard | None, model: str) -> TextCard:
    """Raises ValueError for a model that reads no text."""
    if text is None:
        raise ValueError(f"{model} reads images, not text")
    return text
