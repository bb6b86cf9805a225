"""A run of two language models small enough for a test: windows of 8 characters, well under a second on one core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekcli.config.layers import Resolved
from seekcli.resolve.resolve import resolve

TEXT = "The caf\u00e9 is open. The cat is not. " * 25  # 35 characters of 36 bytes, 875 in all
TINY = {
    "pair.base": "gpt-2x64",
    "pair.motivated": "gpt-4x64",
    "motivation.k": 1,
    "data.context_length": 8,
    "data.limit_train": 24,  # windows
    "data.validation_fraction": 0.0,
    "train.epochs": 1,
    "train.batch_size": 4,
    "recipe": "text",
    "runtime.device": "cpu",
    "runtime.checkpoint_minutes": 60.0,
}


def write_text(folder: Path) -> Path:
    path = folder / "some.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


def tiny_text(folder: Path, **changes: Any) -> Resolved:
    """The tiny run over a text in `folder`; two underscores stand for the dot of a setting."""
    settings = {key.replace("__", "."): value for key, value in changes.items()}
    return resolve([("test", TINY | {"data.name": f"text:{write_text(folder)}"} | settings)])
