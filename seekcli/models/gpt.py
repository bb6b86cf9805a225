"""The network of the gpt family: a decoder with pre-norm, learned positions and an untied head (Radford et al. 2019).

Shapes: B windows, T tokens, W width, H hidden units of the feed-forward layer, V tokens of the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_WIDTH = 64  # in every size, so that the heads of a smaller model are heads of a larger one
STANDARD_DEVIATION = 0.02


class Attention(nn.Module):
    """Causal self-attention: [B, T, W] -> [B, T, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        stacked = self.qkv(x).view(batch, length, 3, self.heads, HEAD_WIDTH)
        query, key, value = stacked.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    """[B, T, W] -> [B, T, W] through H hidden units."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """Attention and feed-forward layer, each added to the residual stream: [B, T, W] -> [B, T, W]."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    """Tokens int64 [B, T] -> logits [B, T, V] of the token that follows each; T is at most `context`.

    The head is not tied to the embedding: see families/gpt.py. Weights start as those of GPT-2: deviation 0.02, that of
    what writes the residual stream divided by the root of the number of writers.
    """

    def __init__(self, blocks: int, width: int, hidden: int, vocabulary: int, context: int) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocabulary, width)
        self.pos_emb = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, hidden) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                writes = name.endswith((".attn.proj", ".mlp.fc2"))
                nn.init.normal_(module.weight, std=STANDARD_DEVIATION / ((2 * blocks) ** 0.5 if writes else 1.0))
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def no_weight_decay(self) -> set[str]:
        """Beside norms and biases."""
        return {"pos_emb.weight"}

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_emb(tokens) + self.pos_emb(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
