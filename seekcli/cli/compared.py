"""What `seek compare` and `seek report` are both told: which runs, and by what they are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ComparedPaths = Annotated[
    list[Path] | None,
    typer.Argument(help="results folders, runs folders or single runs (default: results)", show_default=False),
]
ComparedMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="what is compared: test_loss, test_accuracy_percent, ... (default: accuracy, else loss)",
        show_default=False,
    ),
]
