"""Random numbers that are a pure function of what they are for: keyed by names and counts, not by history."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def key_of(*parts: str | int) -> int:
    """63 bits of the sha256 of the parts: equal parts give an equal key on every machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(*parts: str | int) -> torch.Generator:
    """A CPU generator seeded by `key_of(*parts)`."""
    import torch

    return torch.Generator().manual_seed(key_of(*parts))


def seed_draws(device: torch.device, *parts: str | int) -> None:
    """Seed what draws on `device` without a generator of its own (dropout) by `key_of(*parts)`.

    torch.manual_seed seeds all devices, and keeps a stack trace for each that is not in use yet: on a CPU that takes
    a tenth of a small step.
    """
    import torch

    seed = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
    seed(key_of(*parts))
