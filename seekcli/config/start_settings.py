"""What a run starts from, where it does not start from nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekcli.config.settings import Section
from seekcli.config.value_types import Count


class TransferConfig(Section):
    source: str | None = Field(None, description="run (folder or id) or exported model whose weights are taken")
    role: Literal["base", "motivated"] | None = Field(None, description="which of the source's models")
    pretrained: bool = Field(False, description="start from timm's own weights")
    sha256: str | None = Field(None, description="sha256 of the weights started from; resolved, never typed")
    run: str | None = Field(None, description="id of the run that made them, or timm; resolved, never typed")


class ExtendConfig(Section):
    source: str | None = Field(None, description="finished run (folder or id) that a new run goes on from")
    run: str | None = Field(None, description="its run id; resolved, never typed")
    sha256: str | None = Field(None, description="sha256 of its model files; resolved, never typed")
    epochs_before: Count = Field(
        0, description="its epochs, and those of the runs that it extends itself; resolved, never typed"
    )
    settings_sha256: str | None = Field(
        None, description="start of the sha256 of its settings but seed and motivation; resolved, never typed"
    )
