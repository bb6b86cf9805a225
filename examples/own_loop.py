"""Two nested character models in a loop of one's own, with their baselines, recorded for `seek compare`.

python examples/own_loop.py --out results/own-loop                  # one run of both models, half a minute on a laptop
python examples/own_loop.py --out results/own-loop --all --seeds 3  # with base alone and larger alone, three seeds
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


def pydoc_text() -> tuple[int, torch.Tensor, list[torch.Tensor]]:
    """The number of symbols, the training text, and batches of what is held out: of the text that Python ships."""
    characters = "".join(chain.from_iterable(pydoc_data.topics.topics.values()))
    symbols = sorted(set(characters))
    text = torch.tensor([symbols.index(one) for one in characters[:100_000]])
    return len(symbols), text[:90_000], batches(text[90_000:], 0, 8)


def loss_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def multiply_adds(model: nn.Module) -> float:
    """Of one sequence, counted by torch on the meta device: nothing is computed, and attention is counted too."""
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(model).to("meta")(torch.zeros(1, CONTEXT, dtype=torch.long, device="meta"))
    return counter.get_total_flops() / 2


def loss_on(model: nn.Module, held_out: list[torch.Tensor]) -> float:
    return sum(float(loss_of(model, batch)) for batch in held_out) / len(held_out)


def record_of(asked: argparse.Namespace, seed: int, models: tuple[nn.Module, nn.Module]) -> seekcli.Record:
    """The same settings for the run of both models and for the models alone: so `seek compare` joins them by seed."""
    return seekcli.Record(
        asked.out,
        data="pydoc",
        names=("char-1", "char-3"),
        epochs=asked.epochs,
        batch_size=BATCH,
        seed=seed,
        forward_macs=(multiply_adds(models[0]), multiply_adds(models[1])),
    )


def loop_of(schedule: str, asked: argparse.Namespace, seed: int, symbols: int, sample: torch.Tensor):
    """The seed gives all three runs the same small and large model to start from."""
    torch.manual_seed(seed)
    small, large = CharacterModel(symbols, depth=1), CharacterModel(symbols, depth=3)
    optimizers = torch.optim.AdamW(small.parameters(), 3e-3), torch.optim.AdamW(large.parameters(), 3e-3)
    record = record_of(asked, seed, (small, large))
    if schedule == "base":
        return seekcli.Alone(small, optimizers[0], role="base", record=record)
    if schedule == "motivated":
        return seekcli.Alone(large, optimizers[1], role="motivated", record=record)
    pair = seekcli.Pair.nested(small, large, blocks=("blocks",), silence=("attn.out_proj", "fc2"), sample=sample)
    print(f"coverage {pair.coverage:.0%}; outputs at the start differ by {pair.identity_error:.1g}")
    return seekcli.Alternating(pair, optimizers=optimizers, condition=seekcli.conditions.Loss(k=2), record=record)


def train(loop, asked: argparse.Namespace, seed: int, text: torch.Tensor, held_out: list[torch.Tensor]) -> None:
    """One loop for all: whose turn it is, is `loop.active`."""
    for epoch in range(asked.epochs):
        for batch in batches(text, 1000 * seed + epoch + 1, asked.steps):
            model, optimizer = loop.active
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loop.step(loss)
        found = loop.end_epoch({"test_loss": lambda model: loss_on(model, held_out)})
        shown = ", ".join(f"{role} {values['test_loss']:.3f} nats" for role, values in found.items())
        print(f"seed {seed}, {loop.schedule}, epoch {epoch + 1}: {shown}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="an epoch")
    parser.add_argument("--seeds", type=int, default=1, help="so many, from 0")
    parser.add_argument("--all", action="store_true", help="base alone and larger alone too")
    parser.add_argument("--out", type=Path, default=Path("results/own-loop"))
    asked = parser.parse_args()
    symbols, train_text, held_out = pydoc_text()
    for seed in range(asked.seeds):
        for schedule in ("alternating", "base", "motivated") if asked.all else ("alternating",):
            loop = loop_of(schedule, asked, seed, symbols, held_out[0][:, :-1])
            train(loop, asked, seed, train_text, held_out)
            loop.save(asked.out / "models" / f"{schedule}-{seed}")
    print(f"seek compare {asked.out}")


if __name__ == "__main__":
    main()
