"""Documents of a run changed by hand, with a digest that fits: what a program, not a damaged disk, would write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekcli.documents import read_document, write_document


def rewrite(path: Path, **changes: Any) -> None:
    write_document(path, read_document(path) | changes)
