"""Language modelling: the next token of a text. Its loss, perplexity, and bits per byte of the text.

Losses are cross-entropies in nats per token. Tokens differ between tokenizers, bytes do not: by bits per byte models
that read characters are compared with those that read bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from seekcli.train.tasks.task import Pairs, Task


@dataclass(frozen=True)
class TextEvaluation:
    """Nats per token on average, over `tokens` predictions in `images` windows, which stand for `bytes` of the text."""

    loss: float
    images: int
    tokens: int
    bytes: int

    @property
    def perplexity(self) -> float:
        """exp of the loss: per token; infinite where that is more than a double holds."""
        return math.exp(self.loss) if self.loss < math.log(1e308) else math.inf

    @property
    def bits_per_byte(self) -> float:
        """All nats in bits, over the bytes that the predicted tokens stand for."""
        return self.loss / math.log(2) * self.tokens / self.bytes

    def columns(self) -> dict[str, float | None]:
        finite = self.perplexity if math.isfinite(self.perplexity) else None
        return {"loss": self.loss, "perplexity": finite, "bits_per_byte": self.bits_per_byte}


def language_modelling(token_bytes: Sequence[int], label_smoothing: float = 0.0) -> Task:
    """`token_bytes` are the bytes of text that each token of the vocabulary stands for, by its id."""
    return Task(
        name="language modelling",
        loss=partial(next_token_loss, label_smoothing=label_smoothing),
        summed_loss=partial(next_token_loss, reduction="sum"),
        evaluate=partial(evaluate_text, torch.tensor(token_bytes, dtype=torch.int64)),
    )


def next_token_loss(logits: Tensor, targets: Tensor, reduction: str = "mean", label_smoothing: float = 0.0) -> Tensor:
    """Of logits [B, T, V] and the tokens that follow, int64 [B, T]; in nats, 0-d."""
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction=reduction, label_smoothing=label_smoothing
    )


@torch.no_grad()
def evaluate_text(
    token_bytes: Tensor,
    model: nn.Module,
    batches: Pairs,
    autocast_dtype: torch.dtype | None = None,
    watcher: Callable[[int], None] = lambda windows: None,
) -> TextEvaluation:
    """Evaluate in eval mode and put the training mode back; sums stay on the device until the end.

    `batches` yields tokens [B, T] and the tokens that follow, [B, T]. Raises ValueError when there are none.
    """
    was_training = model.training
    model.eval()
    windows = tokens = 0
    totals: Tensor | None = None
    for seen, following in batches:
        with torch.autocast(seen.device.type, autocast_dtype, enabled=autocast_dtype is not None):
            logits = model(seen)
        dtype = torch.float32 if seen.device.type == "mps" else torch.float64  # mps has no double
        losses = functional.cross_entropy(logits.float().flatten(0, 1), following.flatten(), reduction="none")
        counted = token_bytes.to(following.device)[following].sum()
        found = torch.stack([losses.to(dtype).sum(), counted.to(dtype)])
        totals = found if totals is None else totals + found
        windows, tokens = windows + len(seen), tokens + following.numel()
        watcher(windows)
    model.train(was_training)
    if totals is None:
        raise ValueError("there is nothing to evaluate on")
    nats, counted_bytes = totals.tolist()
    return TextEvaluation(nats / tokens, windows, tokens, int(counted_bytes))
