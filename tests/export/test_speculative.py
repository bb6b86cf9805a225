"""Speculative decoding: what comes out is the verifier's own text, and the rates are those of the formulas."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

from seekcli.export.speculative import (
    acceptance_of,
    decode,
    drawn,
    expected_speedup,
    expected_tokens_per_call,
    is_accepted,
    next_distributions,
    residual,
)

P = [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5]]
Q = [[0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.75, 0.125, 0.125]]


class Table(nn.Module):
    """The next token depends on the last one alone: row i of the table is its distribution after token i."""

    def __init__(self, rows):
        super().__init__()
        self.logits = torch.tensor(rows, dtype=torch.float64).log()

    def forward(self, tokens):
        return self.logits[tokens]


def test_accepting_or_drawing_anew_gives_the_verifiers_distribution_exactly():
    for p, q in zip(P, Q, strict=True):
        rest = residual(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)).tolist()
        exact_p, exact_q, exact_rest = ([Fraction(value) for value in row] for row in (p, q, rest))
        taken = [min(one, other) for one, other in zip(exact_p, exact_q, strict=True)]
        refused = 1 - sum(taken)
        assert [each + refused * other for each, other in zip(taken, exact_rest, strict=True)] == exact_p


def test_the_chance_of_a_draft_token_is_min_of_1_and_p_over_q():
    p, q = (torch.tensor(row[0], dtype=torch.float64) for row in (P, Q))
    generator = torch.Generator().manual_seed(0)
    shares = [sum(is_accepted(p, q, token, generator) for _ in range(1000)) / 1000 for token in range(3)]
    assert shares == pytest.approx([1.0, 0.5, 1.0], abs=0.05)


def test_sampled_text_is_distributed_as_the_verifiers():
    draft, verifier = Table(Q), Table(P)
    generator = torch.Generator().manual_seed(1)
    counts, texts = torch.zeros(3, 3), 1000
    for _ in range(texts):
        first, second = decode(draft, verifier, torch.tensor([0]), 3, 2, generator).tokens[1:].tolist()
        counts[first, second] += 1
    expected = torch.tensor(P)[0][:, None] * torch.tensor(P)
    assert (counts / texts - expected).abs().max() < 0.04
    assert (counts / texts - torch.tensor(Q)[0][:, None] * torch.tensor(Q)).abs().max() > 0.1


def random_models():
    """A draft near the verifier, so that some greedy tokens are refused and some taken."""
    torch.manual_seed(0)
    verifier = nn.Sequential(nn.Embedding(7, 16), nn.Linear(16, 7)).eval()
    draft = nn.Sequential(nn.Embedding(7, 16), nn.Linear(16, 7)).eval()
    with torch.no_grad():
        for own, other in zip(draft.parameters(), verifier.parameters(), strict=True):
            own.copy_(other + 0.45 * torch.randn(other.shape))
    return draft, verifier


@pytest.mark.parametrize("gamma", [1, 2, 5])
def test_greedy_text_is_the_verifiers_own(gamma):
    draft, verifier = random_models()
    refused = False
    for start in range(7):
        found = decode(draft, verifier, torch.tensor([start]), 20, gamma)
        alone = torch.tensor([start])
        while len(alone) < 20:
            alone = torch.cat([alone, drawn(next_distributions(verifier, alone, 1, greedy=True)[0], None)])
        assert found.tokens.tolist() == alone.tolist()
        assert sum(found.accepted) + len(found.accepted) == 19
        refused |= found.accepted != found.proposed
    assert refused


def test_a_model_accepts_all_of_its_own_drafts():
    verifier = Table(P)
    found = decode(verifier, verifier, torch.tensor([0]), 13, 3, torch.Generator().manual_seed(0))
    assert found.tokens_by_full_calls(3) == [4, 4, 4]
    windows = [(torch.tensor([[0, 1, 2, 0]]), None)]
    rates = acceptance_of(verifier, verifier, windows)
    assert (rates.sampled.tolist(), rates.greedy.tolist(), rates.tokens) == ([1.0], [1.0], 4)


def test_acceptance_rates_are_means_over_the_places_of_each_window():
    rates = acceptance_of(Table(Q), Table(P), [(torch.tensor([[0, 1], [2, 2]]), None)])
    by_token = [sum(min(p, q) for p, q in zip(*rows, strict=True)) for rows in zip(P, Q, strict=True)]
    assert rates.sampled.tolist() == pytest.approx([(by_token[0] + by_token[1]) / 2, by_token[2]], abs=1e-12)
    assert rates.greedy.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="nothing to evaluate on"):
        acceptance_of(Table(Q), Table(P), [])


def test_the_formulas_of_the_paper():
    assert expected_tokens_per_call(0.5, 2) == 1 + 0.5 + 0.25
    assert expected_tokens_per_call(1.0, 4) == 5.0
    assert expected_tokens_per_call(0.0, 4) == 1.0
    assert expected_speedup(0.5, 2, 0.25) == 1.75 / 1.5
