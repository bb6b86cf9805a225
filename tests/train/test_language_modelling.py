"""Loss, perplexity and bits per byte against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from seekcli.train.tasks.language_modelling import language_modelling


class Unigram(nn.Module):
    """The same probabilities of three tokens at every position."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.5, 0.25, 0.25]).log().expand(*tokens.shape, 3)


def test_bits_per_byte_are_all_bits_over_the_bytes_of_the_predicted_tokens() -> None:
    task = language_modelling([1, 2, 3])
    following = torch.tensor([[0, 1, 2, 0], [2, 2, 0, 0]])
    seen: list[int] = []
    found = task.evaluate(Unigram(), [(torch.zeros_like(following), following)] * 2, None, seen.append)
    bits = 4 * 1 + 4 * 2  # of one copy: four tokens of 1/2, four of 1/4
    assert found.images == 4
    assert seen == [2, 4]
    assert found.loss == pytest.approx(bits / 8 * math.log(2))
    columns = found.columns()
    assert columns["perplexity"] == pytest.approx(2 ** (bits / 8))
    assert columns["bits_per_byte"] == pytest.approx(bits / (4 * 1 + 2 + 3 * 3))


def test_the_training_loss_is_the_mean_over_tokens_and_the_summed_one_their_sum() -> None:
    task = language_modelling([1, 1, 1])
    logits, targets = torch.randn(2, 4, 3), torch.tensor([[0, 1, 2, 0], [2, 2, 0, 0]])
    each = -logits.log_softmax(2).gather(2, targets.unsqueeze(2))
    assert task.loss(logits, targets).item() == pytest.approx(each.mean().item())
    assert task.summed_loss(logits, targets).item() == pytest.approx(each.sum().item(), rel=1e-5)
