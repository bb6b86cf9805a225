"""`seek evaluate --predictions FILE.csv`: from what was found to a table of every image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli import files
from seekcli.cli.output import say
from seekcli.errors import BadInput, visible
from seekcli.report.predictions import Predictions, predictions_csv

if TYPE_CHECKING:
    from seekcli.data.sets.sources import Dataset
    from seekcli.export.card import Card
    from seekcli.train.tasks.classification import Evaluation


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


def predictions_of(card: Card, dataset: Dataset, found: Evaluation) -> Predictions:
    assert found.ranking is not None
    return Predictions(
        role=card.role,
        model=card.model,
        images=dataset.test_paths or [str(index) for index in range(found.images)],
        class_names=dataset.class_names,
        true_classes=dataset.test_labels.tolist(),
        ranked_classes=found.ranking.classes.tolist(),
        probabilities=found.ranking.probabilities.tolist(),
    )


def write_predictions(path: Path, answers: list[Predictions]) -> None:
    files.write_text(path, predictions_csv(answers))
    images = sum(len(one.images) for one in answers)
    say(f"seek: wrote {visible(str(path))}, {images:,} predictions", err=True)
