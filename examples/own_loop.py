"""Two nested character models in a loop of one's own, recorded for `seek compare`. A minute on a laptop.

python examples/own_loop.py --epochs 3 --out results/own-loop
"""

from __future__ import annotations

import argparse
import copy
import pydoc_data.topics
from itertools import chain
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import seekcli

CONTEXT, BATCH = 32, 16


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        y = self.ln1(x)
        x = x + self.attn(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.fc2(functional.gelu(self.fc1(self.ln2(x))))


class CharacterModel(nn.Module):
    """[B, T] -> logits [B, T, symbols]"""

    def __init__(self, symbols: int, depth: int, width: int = 32) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(symbols, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.tokens(x) + self.positions.weight[: x.shape[1]]
        for block in self.blocks:
            y = block(y)
        return self.head(self.ln(y))


def batches(text: torch.Tensor, seed: int, count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, len(text) - CONTEXT - 1, (count, BATCH), generator=generator)
    return [torch.stack([text[start : start + CONTEXT + 1] for start in row]) for row in starts.tolist()]


def loss_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def multiply_adds(model: nn.Module) -> float:
    """Of one sequence, counted by torch on the meta device: nothing is computed, and attention is counted too."""
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(model).to("meta")(torch.zeros(1, CONTEXT, dtype=torch.long, device="meta"))
    return counter.get_total_flops() / 2


def accuracy_percent(model: nn.Module, held_out: list[torch.Tensor]) -> float:
    hits = [(model(batch[:, :-1]).argmax(-1) == batch[:, 1:]).float().mean() for batch in held_out]
    return 100 * float(torch.stack(hits).mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="a epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/own-loop"))
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    characters = "".join(chain.from_iterable(pydoc_data.topics.topics.values()))
    symbols = sorted(set(characters))
    text = torch.tensor([symbols.index(one) for one in characters[:100_000]])
    train_text, test_text = text[:90_000], text[90_000:]
    held_out = batches(test_text, 0, 8)

    small, large = CharacterModel(len(symbols), depth=1), CharacterModel(len(symbols), depth=3)
    pair = seekcli.Pair.nested(
        small, large, blocks=("blocks",), silence=("attn.out_proj", "fc2"), sample=held_out[0][:, :-1]
    )
    print(f"coverage {pair.coverage:.0%}; outputs at the start differ by {pair.identity_error:.1g}")
    alternating = seekcli.Alternating(
        pair,
        optimizers=(torch.optim.AdamW(small.parameters(), 3e-3), torch.optim.AdamW(large.parameters(), 3e-3)),
        condition=seekcli.conditions.Loss(k=2),
        record=seekcli.Record(
            asked.out,
            data="pydoc",
            names=("char-1", "char-3"),
            epochs=asked.epochs,
            batch_size=BATCH,
            seed=asked.seed,
            forward_macs=(multiply_adds(small), multiply_adds(large)),
        ),
    )
    for epoch in range(asked.epochs):
        for batch in batches(train_text, 1000 * asked.seed + epoch + 1, asked.steps):
            model, optimizer = alternating.active
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            alternating.step(loss)
        found = alternating.end_epoch(
            {
                "test_loss": lambda model: sum(float(loss_of(model, batch)) for batch in held_out) / len(held_out),
                "test_accuracy_percent": lambda model: accuracy_percent(model, held_out),
            }
        )
        shown = ", ".join(f"{role} {values['test_loss']:.3f} nats" for role, values in found.items())
        print(f"epoch {epoch + 1}: {shown}; share of motivated steps {alternating.share:.1%}")
    alternating.save(asked.out / "models")
    print(f"seek compare {asked.out}")


if __name__ == "__main__":
    main()
