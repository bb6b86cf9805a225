"""Which word `--data` wants before a path that was given without one, by what lies there."""

from __future__ import annotations

from pathlib import Path

TABLES = ("state.json", "*/state.json", "*.parquet", "*/*.parquet")  # what a data set of Hugging Face has on disk
FOLDER, TEXT = "folder", "text"


def word_for(path: Path) -> str | None:
    """`npz`, `wds`, `hf`, `folder` or `text`, by the names of files; None where nothing is."""
    if path.is_dir():
        if any(any(path.glob(pattern)) for pattern in TABLES):
            return "hf"
        return "wds" if any(path.glob("*.tar")) else FOLDER
    return {".npz": "npz", ".tar": "wds", ".parquet": "hf"}.get(path.suffix, TEXT) if path.is_file() else None
