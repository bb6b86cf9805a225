"""A stand-in for the pt2 format that keeps the module in memory: to trace a real graph takes a second or two.

tests/export/test_graphs.py writes real graphs and compares what they answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from torch import Tensor, nn

from seekcli.export import graphs


def keep_graphs(monkeypatch: pytest.MonkeyPatch, error: float = 0.0) -> None:
    """`--format pt2` from here on; what is read back gives logits that are off by `error`."""
    kept: dict[bytes, nn.Module] = {}

    def write(module: nn.Module, images: Tensor, name: str, metadata: Mapping[str, object], path: Path) -> None:
        content = f"{name} {sorted(metadata.items())}".encode()
        kept[content] = module
        path.write_bytes(content)

    def load(path: Path, name: str) -> graphs.Answers:
        module = kept[path.read_bytes()]
        return lambda images: graphs.logits(module, images) + error

    monkeypatch.setitem(graphs.WRITERS, "pt2", write)
    monkeypatch.setitem(graphs.LOADERS, "pt2", load)
