"""What models say of each image: a table for other programs, and the confusion matrix of one model in words."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seekcli import files
from seekcli.errors import BadInput, visible

# A matrix that still fits a terminal; of more classes the pairs that are confused most often are said.
MOST_CLASSES_SHOWN, PAIRS_SHOWN, NAME_WIDTH = 20, 10, 16
# Of a JSON field. The table of predictions has no such bound.
MOST_CLASSES_LISTED = 1000


@dataclass(frozen=True)
class Predictions:
    """Of one model: the likeliest classes of each image, best first, and their probabilities, as many of each.

    `images` are paths or indices; `true_classes` and `ranked_classes` index `class_names`.
    """

    role: str
    model: str
    images: Sequence[str]
    class_names: Sequence[str]
    true_classes: Sequence[int]
    ranked_classes: Sequence[Sequence[int]]
    probabilities: Sequence[Sequence[float]]

    def confusions(self) -> Counter[tuple[int, int]]:
        """Images by (true class, predicted class)."""
        return Counter(zip(self.true_classes, (ranked[0] for ranked in self.ranked_classes), strict=True))

    def confusion_matrix(self) -> list[list[int]] | None:
        """Rows are the true classes, columns the predicted ones; None where the classes are too many for a list."""
        classes = len(self.class_names)
        if classes > MOST_CLASSES_LISTED:
            return None
        counts = self.confusions()
        return [[counts[true, predicted] for predicted in range(classes)] for true in range(classes)]


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


def write_predictions(path: Path, models: Sequence[Predictions]) -> int:
    """As CSV; how many answers were written."""
    files.write_text(path, predictions_csv(models))
    return sum(len(one.images) for one in models)


def predictions_csv(models: Sequence[Predictions]) -> str:
    """One line an image and model."""
    ranks = max(len(ranked) for one in models for ranked in one.ranked_classes)
    more = [f"{name}_{rank}" for rank in range(2, ranks + 1) for name in ("class", "probability")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["role", "model", "image", "true_class", "predicted_class", "probability", *more])
    for one in models:
        rows = zip(one.images, one.true_classes, one.ranked_classes, one.probabilities, strict=True)
        for image, true, ranked, probabilities in rows:
            answers = zip(ranked, probabilities, strict=True)
            cells = [cell for label, value in answers for cell in (one.class_names[label], f"{value:.6g}")]
            writer.writerow([one.role, one.model, image, one.class_names[true], *cells])
    return text.getvalue()


def confusion_text(one: Predictions) -> str:
    """The matrix, or of many classes the pairs that are confused most often."""
    counts = one.confusions()
    if len(one.class_names) > MOST_CLASSES_SHOWN:
        return most_confused(one, counts)
    numbers = range(len(one.class_names))
    cells = [[str(counts[true, predicted] or ".") for predicted in numbers] for true in numbers]
    width = max(2, *(len(cell) for row in cells for cell in row))
    numbered = all(name == str(number) for number, name in enumerate(one.class_names))
    names = [f"{n:>2}" if numbered else f"{n:>2} {short(name)}" for n, name in enumerate(one.class_names)]
    left = max(map(len, names))
    header = " " * left + "".join(f" {number:>{width}}" for number in numbers)
    lines = [
        f"{name:<{left}}" + "".join(f" {cell:>{width}}" for cell in row) for name, row in zip(names, cells, strict=True)
    ]
    return "\n".join(["confusion (images): each row is a true class, each column a predicted one", header, *lines])


def most_confused(one: Predictions, counts: Counter[tuple[int, int]]) -> str:
    wrong = sorted((-images, pair) for pair, images in counts.items() if pair[0] != pair[1])
    if not wrong:
        return "confusion: none, every image is right"
    lines = [
        f"{-images:>8,}  {visible(one.class_names[true])} taken for {visible(one.class_names[predicted])}"
        for images, (true, predicted) in wrong[:PAIRS_SHOWN]
    ]
    more = f", the {PAIRS_SHOWN} that are most frequent" if len(wrong) > PAIRS_SHOWN else ""
    return "\n".join([f"confusion: {len(wrong):,} pairs of classes{more}, images", *lines])


def short(name: str) -> str:
    name = visible(name)
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."
