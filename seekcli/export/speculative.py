"""Base as draft, larger model as verifier: speculative decoding (Leviathan, Kalman and Matias 2023, arXiv 2211.17192).

The draft proposes some tokens, one after the other; one call of the verifier accepts the first of them, or none, and
gives one token more. What comes out is distributed as the verifier's own text, whatever the draft is (their appendix
A.1): the draft decides how many tokens a call gives, and nothing else.

p is the verifier's distribution of the next token, q the draft's. Shapes: B windows, T tokens, V different tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Acceptance:
    """Of each window, double [N]: the acceptance rate of sampling, and of greedy decoding; and the tokens looked at."""

    sampled: Tensor
    greedy: Tensor
    tokens: int


@dataclass(frozen=True)
class Decoded:
    """Tokens int64 [T], the prompt among them; `accepted` of `proposed` draft tokens by each call of the verifier."""

    tokens: Tensor
    proposed: tuple[int, ...]
    accepted: tuple[int, ...]

    def tokens_by_full_calls(self, gamma: int) -> list[int]:
        """What each call gave that `gamma` tokens were proposed to: the accepted ones, and one of the verifier's."""
        calls = zip(self.proposed, self.accepted, strict=True)
        return [accepted + 1 for proposed, accepted in calls if proposed == gamma]


def expected_tokens_per_call(acceptance: float, gamma: int) -> float:
    """(1 - a^(gamma + 1)) / (1 - a), their equation 1, for an acceptance rate that is the same at every token."""
    return float(gamma + 1) if acceptance == 1 else (1 - acceptance ** (gamma + 1)) / (1 - acceptance)


def expected_speedup(acceptance: float, gamma: int, cost_ratio: float) -> float:
    """Their theorem 3.8, over the verifier alone; `cost_ratio` is a forward of the draft over one of the verifier."""
    return expected_tokens_per_call(acceptance, gamma) / (gamma * cost_ratio + 1)


@torch.no_grad()
def acceptance_of(draft: nn.Module, verifier: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Acceptance:
    """Sum over tokens of min(p, q), the chance that a draft token is accepted, averaged over the places of each window.

    Places are those of the text itself, whose tokens [B, T] `batches` yields, and not of generated text. Greedy: the
    share of the places where both models have the same likeliest token. Raises ValueError for no window.
    """
    sampled, greedy, tokens = [], [], 0
    for seen, _ in batches:
        p, q = verifier(seen).double().softmax(2), draft(seen).double().softmax(2)
        sampled.append(torch.minimum(p, q).sum(2).mean(1).cpu())
        greedy.append((p.argmax(2) == q.argmax(2)).double().mean(1).cpu())
        tokens += seen.numel()
    if not sampled:
        raise ValueError("there is nothing to evaluate on")
    return Acceptance(torch.cat(sampled), torch.cat(greedy), tokens)


@torch.no_grad()
def decode(
    draft: nn.Module,
    verifier: nn.Module,
    prompt: Tensor,
    length: int,
    gamma: int,
    generator: torch.Generator | None = None,
) -> Decoded:
    """Go on from `prompt`, int64 [T], to `length` tokens, with `gamma` proposed to each call (fewer at the end).

    By sampling with the draws of `generator`; without one greedily: the tokens are then those that the verifier alone
    gives. Their algorithm 1. The models are in eval mode and read up to `length` tokens.
    """
    tokens, proposed, accepted = prompt, [], []
    while len(tokens) < length:
        count = min(gamma, length - len(tokens) - 1)
        q: list[Tensor] = []
        guess = tokens
        for _ in range(count):
            q.append(next_distributions(draft, guess, 1, greedy=generator is None)[0])
            guess = torch.cat([guess, drawn(q[-1], generator)])
        p = next_distributions(verifier, guess, count + 1, greedy=generator is None)
        kept = 0
        while kept < count and is_accepted(p[kept], q[kept], int(guess[len(tokens) + kept]), generator):
            kept += 1
        last = residual(p[kept], q[kept]) if kept < count else p[kept]
        tokens = torch.cat([guess[: len(tokens) + kept], drawn(last, generator)])
        proposed.append(count)
        accepted.append(kept)
    return Decoded(tokens, tuple(proposed), tuple(accepted))


def next_distributions(model: nn.Module, tokens: Tensor, places: int, greedy: bool) -> Tensor:
    """Of what follows each of the last `places` tokens, double [places, V]; greedily all on the likeliest one."""
    logits = model(tokens[None])[0, -places:].double()
    if not greedy:
        return logits.softmax(1)
    return nn.functional.one_hot(logits.argmax(1), logits.shape[1]).double()


def drawn(distribution: Tensor, generator: torch.Generator | None) -> Tensor:
    """One token, [1], of a distribution [V]; without a generator the likeliest."""
    if generator is None:
        return distribution.argmax().reshape(1)
    return torch.multinomial(distribution.cpu(), 1, generator=generator).to(distribution.device)


def is_accepted(p: Tensor, q: Tensor, token: int, generator: torch.Generator | None) -> bool:
    """With the chance min(1, p / q) of the token; greedily p and q are 1 or 0."""
    draw = 0.5 if generator is None else float(torch.rand((), generator=generator, dtype=torch.float64))
    return draw * float(q[token]) < float(p[token])


def residual(p: Tensor, q: Tensor) -> Tensor:
    """What the verifier draws from where a token was refused: max(0, p - q), scaled to a sum of 1."""
    rest = (p - q).clamp(min=0)
    return rest / rest.sum()
