"""Steps and classes, by hand, for the runs of `run_folders.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seekcli.runs.records import CLASS_SCHEMA, CLASSES, STEPS, write_classes, write_steps


def with_history(folder: Path, motivated: bool, classes: Sequence[str] = ("<b>cat</b>", "dog")) -> Path:
    """Give a run of `Results` steps and classes."""
    losses = [2.0 - 0.01 * step + (0.3 if step % 5 == 0 else 0.0) for step in range(40)]
    roles = ["motivated" if motivated and step % 5 == 3 else "base" for step in range(40)]
    write_steps(folder / STEPS, {
        "run_id": [folder.name] * 40, "epoch": [1 + step // 10 for step in range(40)], "step": list(range(1, 41)),
        "role": roles, "loss": losses, "learning_rate": [0.1] * 40,
    })  # fmt: skip
    rows = [
        dict.fromkeys(CLASS_SCHEMA.names)
        | {"run_id": folder.name, "epoch": 20, "role": role, "split": "test", "class_index": index}
        | {
            "class_name": name,
            "images": 10,
            "correct": 5 + index + motivated,
            "accuracy_percent": 50.0 + 10 * (index + motivated),
        }
        for role in (("base", "motivated") if motivated else ("base",))
        for index, name in enumerate(classes)
    ]
    write_classes(folder / CLASSES, rows)
    return folder
