"""Models as users have them, none of this package's: a GPT in the form of nanoGPT, and a small convolutional net."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SYMBOLS, CONTEXT = 13, 8


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            each.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for each in self.qkv(x).split(width, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.ln1, self.attn = nn.LayerNorm(width), Attention(width, heads)
        self.ln2, self.mlp = nn.LayerNorm(width), Mlp(width, hidden)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Gpt(nn.Module):
    """[B, T] -> logits [B, T, SYMBOLS]"""

    def __init__(self, depth=2, width=8, hidden=16, heads=None, tied=False):
        super().__init__()
        self.tok_emb, self.pos_emb = nn.Embedding(SYMBOLS, width), nn.Parameter(0.1 * torch.randn(1, CONTEXT, width))
        self.blocks = nn.ModuleList(Block(width, heads or width // 4, hidden) for _ in range(depth))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, SYMBOLS, bias=False)
        if tied:
            self.head.weight = self.tok_emb.weight

    def forward(self, tokens):
        x = self.tok_emb(tokens) + self.pos_emb[:, : tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(x + self.bn(self.conv(x)))


class ConvNet(nn.Module):
    """[B, 1, S, S] -> logits [B, 4]"""

    def __init__(self, depth=1, width=4, kernel=3):
        super().__init__()
        self.stem = nn.Conv2d(1, width, kernel, padding=kernel // 2)
        self.layers = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.fc = nn.Linear(width, 4)

    def forward(self, x):
        return self.fc(self.layers(self.stem(x)).mean((2, 3)))


def tokens(batch=3, generator=None):
    return torch.randint(0, SYMBOLS, (batch, CONTEXT), generator=generator)


def images(batch=5, generator=None):
    return torch.randn(batch, 1, 6, 6, generator=generator)


DEPTH = {"blocks": ("blocks",), "silence": ("attn.proj", "mlp.fc2")}
STREAM = ("tok_emb", "pos_emb", "attn.proj", "mlp.fc2")
