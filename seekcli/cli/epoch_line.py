"""The line that a finished epoch gets: all of it fits the width, what matters least is left out first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES = {"base": "base", "motivated": "larger"}
# Narrower than this there is no room for speed and switches beside the numbers of two models.
WIDE = 110
LEGENDS = {
    "classification": "each epoch, of each model: training loss, test accuracy (/ validation accuracy)",
    "language modelling": "each epoch, of each model: training loss (nats per token), test bits per byte",
    "a task of your own": "each epoch, of each model: training loss, test loss (/ validation loss)",
}


# What an epoch's line and the live display show of each model: the column without its split, digits and unit.
SHOWN = {
    "classification": ("accuracy_percent", 2, " %"),
    "language modelling": ("bits_per_byte", 4, " b/B"),
    "a task of your own": ("loss", 4, ""),
}


def epoch_line(
    rows: Sequence[dict[str, Any]], epochs: int, width: int, task: str = "classification", examples: str = "images"
) -> str:
    """Loss and accuracies by role, share, seconds; with room also switches and speed.

    Which models they are was said at the start, and what the numbers are.
    """
    first = rows[0]
    words = [f"epoch {first['epoch']:>{len(str(epochs))}}/{epochs}", *(model_words(row, task) for row in rows)]
    speed, seconds = f"{first['images_per_second']:.0f} {examples}/s", f"{first['epoch_seconds']:.1f} s"
    if len(rows) == 1:
        return fitting(width, [*words, speed, seconds], [*words, seconds], words)
    steps = first["base_steps"] + first["motivated_steps"]
    share, switches = f"share {first['motivated_steps'] / steps:.3f}", f"{first['switches']} switches"
    rich = [[*words, share, switches, speed, seconds], [*words, share, speed, seconds]] if width >= WIDE else []
    return fitting(width, *rich, [*words, share, seconds], [*words, share], words)


def fitting(width: int, *choices: Sequence[str]) -> str:
    """The first that fits; the last one whether it does or not, since numbers are never cut."""
    lines = ["  ".join(words) for words in choices]
    return next((line for line in lines if len(line) <= width), lines[-1])


def model_words(row: dict[str, Any], task: str = "classification") -> str:
    """`base 0.2811 98.61 %`; with a validation split `base 0.2811 98.61 / 97.10 %`; `-` for what was not measured."""
    loss = "-" if row["train_loss"] is None else f"{row['train_loss']:.4f}"
    return f"{NAMES[row['role']]} {loss} {measured_words(row, task)}"


def measured_words(row: dict[str, Any], task: str = "classification") -> str:
    """On the test split and, where there is one, the validation split; a run over a fold has the latter alone."""
    name, digits, unit = SHOWN[task]
    found = [row.get(f"test_{name}"), row.get(f"validation_{name}")]
    if found[1] is None:
        found.pop()
    shown = ["-" if one is None else f"{one:.{digits}f}" for one in found]
    return "-" if not any(one is not None for one in found) else f"{' / '.join(shown)}{unit}"
