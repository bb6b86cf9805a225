"""`seek evaluate --predictions FILE.csv`: where the table of every image is written."""

from __future__ import annotations

import os
from pathlib import Path

from seekcli import files
from seekcli.cli.output import say
from seekcli.errors import BadInput, visible
from seekcli.report.predictions import Predictions, predictions_csv


def check_target(path: Path | None, overwrite: bool) -> None:
    """Raise BadInput, before anything is evaluated, where the predictions cannot be written to `path`."""
    if path is None:
        if overwrite:
            raise BadInput("--overwrite: it goes with --predictions FILE.csv")
        return
    if path.suffix.lower() != ".csv":
        raise BadInput(f"--predictions {path}: it is written as CSV: name a file that ends in .csv")
    files.require_possible_path(path)
    if path.is_dir():
        raise BadInput(f"--predictions {path} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise BadInput(f"--predictions {path} exists: name another file, or add --overwrite")
    nearest = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    files.require_writable_folders(nearest)


def write_predictions(path: Path, answers: list[Predictions]) -> None:
    files.write_text(path, predictions_csv(answers))
    images = sum(len(one.images) for one in answers)
    say(f"seek: wrote {visible(str(path))}, {images:,} predictions", err=True)
