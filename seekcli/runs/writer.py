"""The only writer of a run: it holds the check of the lease, and each write asks it right before it renames."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safetensors.torch import save
from torch import Tensor

from seekcli import files
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.data.sets.sources import Dataset
from seekcli.documents import SCHEMA_VERSION, write_document
from seekcli.runs import checkpoint, records
from seekcli.runs.config_file import LOSS_UNIT, OWN_METRICS
from seekcli.runs.data_contents import CONTENTS, TOKEN_BYTES
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import Row, RunStatus
from seekcli.runs.step_log import StepLog
from seekcli.train.tasks.task import Task


class RunWriter:
    """Writes one run folder, whose lease `check` asks for: it raises when another process has taken the run over.

    Methods raise RunFailed where the disk takes no more.
    """

    def __init__(self, folder: RunFolder, check: files.Check) -> None:
        assert folder.owner is not None, "a folder that is written belongs to a run"
        self.folder, self.run_id, self.check = folder, folder.owner, check

    def create(self, document: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Begin the run. Its config comes last: a run has begun when that is there, and then lacks nothing.

        `document` is what config.json says: `config_document`.
        """
        self.write_environment(environment)
        write_document(self.folder.config_path, document, self.check)

    def write_environment(self, environment: Mapping[str, Any], from_step: int = 0) -> None:
        """What the run runs on, from that step on."""
        content = {"run_id": self.run_id, "from_step": from_step, **environment}
        write_document(self.folder.environment_path, content, self.check)

    def write_epochs(self, rows: Sequence[Row]) -> None:
        records.write_epochs(self.folder.epochs_path, rows, self.check)

    def write_steps(self, log: StepLog) -> None:
        log.write(self.folder.steps_path, self.check)

    def write_classes(self, rows: Sequence[Row]) -> None:
        records.write_classes(self.folder.classes_path, rows, self.check)

    def save_checkpoint(self, steps_done: int, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        at = self.folder.checkpoints_path
        checkpoint.save_checkpoint(at, steps_done, tensors, plain, self.run_id, self.check)

    def resume(self, load: checkpoint.Load, warn: Callable[[str], None]) -> bool:
        """Load the newest good checkpoint, set others aside: `checkpoint.resume_from`."""
        return checkpoint.resume_from(self.folder.checkpoints_path, self.run_id, load, warn, self.check)

    def keep_last_checkpoint(self) -> None:
        """Of a run that is done: `--extend` goes on from it."""
        checkpoint.keep_newest(self.folder.checkpoints_path, 1, self.check)

    def write_model(self, role: str, tensors: Mapping[str, Tensor]) -> str:
        """The weights and buffers of a role, contiguous, in one file. Returns its sha256."""
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        files.write_bytes(self.folder.weights_path(role), data, self.check)
        return hashlib.sha256(data).hexdigest()

    def tracker_key(self) -> str:
        """The name by which trackers know this folder, and no other: one that was set aside keeps its own."""
        key = self.folder.tracker_key()
        if key is None:
            key = f"{self.run_id}-{secrets.token_hex(4)}"
            write_document(self.folder.tracking_path, {"run_id": self.run_id, "key": key}, self.check)
        return key

    def write_status(self, status: RunStatus) -> None:
        records.write_status(self.folder.path, status, self.check)

    def digests_of_tables(self) -> dict[str, str]:
        """For the status of a finished run."""
        return records.digests_of_tables(self.folder.path)


def config_document(resolved: Resolved, dataset: Dataset, task: Task | None = None) -> dict[str, Any]:
    """config.json: the full resolved settings, where each came from, and what the data turned out to be.

    Of a task of somebody's own also what it measures, and what its loss is in.
    """
    facts, validation = dataset.facts, dataset.validation_labels
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id(resolved.config),
        "config": resolved.config.model_dump(mode="json"),
        "origins": resolved.origins,
        "facts": {
            "classes": facts.classes,
            "channels": facts.channels,
            "image_size": facts.image_size,
            "class_names": list(dataset.class_names),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "train_images": len(dataset.train_labels),
            "test_images": len(dataset.test_labels),
            "validation_images": 0 if validation is None else len(validation),
            "split": dataset.split,
            **({CONTENTS: dataset.contents} if dataset.contents else {}),
            **({TOKEN_BYTES: list(dataset.token_bytes)} if dataset.token_bytes else {}),
            **({} if task is None or task.loss_unit is None else own_task_facts(task)),
        },
    }


def own_task_facts(task: Task) -> dict[str, Any]:
    return {
        LOSS_UNIT: task.loss_unit,
        OWN_METRICS: {name: {"higher_is_better": higher} for name, higher in task.own_metrics.items()},
    }
