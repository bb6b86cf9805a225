"""A run that is not finished, in the place of a finished one: its models are those of its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from seekcli.export.card import UnfinishedCard
from seekcli.export.finished_run import FinishedRun


@dataclass(frozen=True)
class CheckpointRun(FinishedRun):
    """`tensors` by role and `status.final` are of the checkpoint, after `steps_done` of `planned_steps` updates."""

    recalibrated_when: ClassVar[str] = "at export, as at the end of a run"
    checkpoint: Path = field(kw_only=True)
    planned_steps: int = field(kw_only=True)
    tensors: Mapping[str, Mapping[str, Tensor]] = field(kw_only=True, repr=False)

    @property
    def steps(self) -> int:
        return self.planned_steps

    @property
    def unfinished(self) -> UnfinishedCard:
        return UnfinishedCard(epochs_done=self.status.epochs_done, steps_done=self.status.steps_done)

    def weights_path(self, role: str) -> Path:
        return self.checkpoint

    def weights(self, role: str) -> dict[str, Tensor]:
        return dict(self.tensors[role])
