"""Text of the user's, or the one that comes with Python: cut into windows of tokens (see data/text/)."""

from __future__ import annotations

from seekcli.data.sets.kind import TextSet

TEXT = TextSet(
    form="text:FILE",
    about="a text, to predict its next character or byte; text:pydoc comes with Python: works offline",
    recipe="text",
)
