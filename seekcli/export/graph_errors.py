"""What is said of a model that an exporter cannot write: one line, with the line of the model that it comes from."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from torch import nn

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What torch.export says of it, and onnxruntime of a graph that was written so.
ONE_BATCH_SIZE = ("your code specialized it to be a constant", "Got invalid dimensions for input")


def why_not_written(error: BaseException, module: nn.Module) -> str:
    """The first line of what went wrong at first, and where in the model's own source; exporters wrap it in advice."""
    causes = [error, *causes_of(error)]
    root = causes[-1]
    if any(words in str(root) for words in ONE_BATCH_SIZE):
        return "its forward holds for one size of the batch alone, and a graph takes any"
    lines = COLOURS.sub("", str(root)).strip().splitlines()
    place = next(filter(None, (place_in_source(one, module) for one in reversed(causes))), "")
    return f"{type(root).__name__}: {lines[0].strip() if lines else 'no reason given'}{place}"


def causes_of(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def place_in_source(error: BaseException, module: nn.Module) -> str:
    """` (my_models.py, line 9: if x.mean() > 0:)`, the last line that was run of the model's modules; "" for none."""
    own = {type(one) for one in module.modules() if not type(one).__module__.startswith("torch.")}
    sources = {file for kind in own if (file := source_of(kind))}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in sources:
            return f" ({Path(frame.filename).name}, line {frame.lineno}: {frame.line})"
    return ""


def source_of(kind: type) -> str | None:
    try:
        return inspect.getsourcefile(kind)
    except (TypeError, OSError):  # it was made in a session
        return None
