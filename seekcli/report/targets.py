"""Where a report may be written. Without the libraries that draw it, so that a wrong word is told at once."""

from __future__ import annotations

from pathlib import Path

from seekcli import files
from seekcli.errors import BadInput


def check_targets(out: Path, plots: Path | None) -> None:
    """Raise BadInput, naming the flag, before anything is read."""
    if out.is_dir():
        raise BadInput(f"--out {out} is a folder; name a file such as {out / 'report.html'}")
    if out.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"--out {out}: the report is HTML; name a file that ends in .html")
    if plots is not None and plots.exists() and not plots.is_dir():
        raise BadInput(f"--plots {plots} is a file; name a folder")
    for folder in (out.parent, *([] if plots is None else [plots])):
        files.require_writable_folders(files.nearest_standing(folder))
