"""A results folder filled by hand: run folders with the config and status of a real run, without training."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seekcli.analysis.comparison import Comparison, compare_runs
from seekcli.analysis.selection import parse_where
from seekcli.config.identity import run_id
from seekcli.config.layers import load_recipe, merge
from seekcli.config.schema import RunConfig
from seekcli.runs.records import CONFIG, EPOCH_SCHEMA, EPOCHS, RunStatus, totals_of, write_epochs, write_status
from seekcli.runs.scan import scan_runs

MACS = {"resnet20": 2.0e6, "resnet32": 4.0e6, "resnet44": 6.0e6}
STEPS = 400
# A run's config holds no `auto`: every setting is resolved before it is written.
SETTINGS = {
    "recipe": "digits",
    "pair.init": "identity",
    "pair.map": "aligned",
    "pair.recalibrate_batches": 10,
    "runtime.device": "cpu",
    "runtime.precision": "fp32",
    "runtime.layout": "channels_last",
}
WRITTEN: dict[str, dict[str, bytes]] = {}  # the files of runs by all that was asked of them


@dataclass
class Results:
    """`add` one run at a time; `compare` all of them."""

    folder: Path

    def add(
        self,
        schedule: str = "alternating",
        *,
        seed: int = 0,
        accuracy: float | tuple[float, float] | None = 98.0,
        motivated_steps: int = 64,
        expected_share: float | None = 0.16,
        state: str = "finished",
        message: str | None = None,
        with_config: bool = True,
        epoch_seconds: float = 40.0,
        test_images: int | None = 1000,
        columns: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Path:
        """Write a run folder. Settings are dotted keys with `__` for the dot; accuracies are (base, motivated).

        `columns` go into every row; a column of the schema is a number, or a number for each role. What is written is
        kept: hundreds of tests write the same few runs.
        """
        own = {key.replace("__", "."): value for key, value in settings.items()}
        chosen = SETTINGS | {"schedule": schedule, "seed": seed} | own
        config, own_id, plain = config_of(json.dumps(chosen))
        folder = self.folder / "runs" / own_id
        folder.mkdir(parents=True)
        said = accuracy, motivated_steps, expected_share, state, message, with_config, epoch_seconds, test_images
        kept = WRITTEN.setdefault(repr((own_id, plain, *said, columns)), {})
        for name, data in kept.items():
            (folder / name).write_bytes(data)
        if kept:
            return folder
        rows = final_rows(config, accuracy, motivated_steps, epoch_seconds) if accuracy is not None else []
        for name, value in (columns or {}).items():
            for row in rows:
                row[name] = value[row["role"]] if isinstance(value, dict) else value
        if with_config:
            document = {"schema_version": 1, "run_id": own_id, "config": plain}
            document |= {"facts": {"test_images": test_images}} if test_images else {}
            (folder / CONFIG).write_text(json.dumps(document), encoding="utf-8")
        status = RunStatus(
            run_id=own_id,
            state=state,
            message=message,
            epochs_done=config.train.epochs if state == "finished" else 3,
            epochs=config.train.epochs,
            steps_done=STEPS,
            steps_per_epoch=20,
            final=rows,
            totals=totals_of(rows),
            expected_share=None if config.classic else expected_share,
            models={role: config.model_name(role) for role in config.roles},
        )
        write_status(folder, status)
        write_epochs(folder / EPOCHS, [{name: row[name] for name in EPOCH_SCHEMA.names} for row in rows])
        kept.update({path.name: path.read_bytes() for path in folder.iterdir()})
        return folder

    def add_seeds(self, schedule: str, accuracies: list[Any], **settings: Any) -> None:
        for seed, accuracy in enumerate(accuracies):
            self.add(schedule, seed=seed, accuracy=accuracy, **settings)

    def compare(self, *where: str) -> Comparison:
        return compare_runs(scan_runs([self.folder]), parse_where(where))

    def publish(self, name: str, folders: list[Path]) -> Path:
        """Move the last rows of some runs into one published table."""
        statuses = [json.loads((folder / "status.json").read_text(encoding="utf-8")) for folder in folders]
        path = self.folder / "published" / name / "epochs.parquet"
        path.parent.mkdir(parents=True)
        write_epochs(path, [row for status in statuses for row in status["final"]])
        return path


@functools.cache
def config_of(chosen: str) -> tuple[RunConfig, str, dict[str, Any]]:
    """The config of these settings (as JSON), its run id and its plain data: many tests write the same runs."""
    config = merge([("recipe", load_recipe("digits")), ("test", json.loads(chosen))]).config
    return config, run_id(config), config.model_dump(mode="json")


def final_rows(config: RunConfig, accuracy: Any, motivated_steps: int, epoch_seconds: float) -> list[dict[str, Any]]:
    """The last epoch's rows, which here hold all the steps of the run."""
    accuracies = accuracy if isinstance(accuracy, tuple) else (accuracy, accuracy)
    by_role = dict(zip(("base", "motivated"), accuracies, strict=True))
    motivated_steps = 0 if config.classic else motivated_steps
    row = dict.fromkeys(EPOCH_SCHEMA.names) | {
        "run_id": run_id(config),
        "schema_version": 1,
        "schedule": config.schedule,
        "data": config.data.name,
        "recipe": config.recipe,
        "seed": config.seed,
        "batch_size": config.train.batch_size,
        "precision": config.runtime.precision,
        "device_type": "cpu",
        "epoch": config.train.epochs,
        "train_loss": 0.1,
        "test_loss": 0.1,
        "base_steps": STEPS - motivated_steps,
        "motivated_steps": motivated_steps,
        "switches": 30,
        "base_images": 64 * (STEPS - motivated_steps),
        "motivated_images": 64 * motivated_steps,
        "learning_rate": 0.01,
        "train_flops": 4e11,
        "evaluation_flops": 1e10,
        "condition_flops": 0.0,
        "copied_bytes": 1000,
        "epoch_seconds": epoch_seconds,
        "images_per_second": 400.0,
    }
    if not config.classic:
        motivation = config.motivation
        row |= {"pair": config.pair_name, "condition": motivation.condition, "k": motivation.k}
        row |= {"init": config.pair.init, "map": config.pair.map, "coverage": 1.0}
        row |= {"buffers": config.pair.buffers, "recalibrate_batches": config.pair.recalibrate_batches}
    return [
        row
        | {"role": role, "model": config.model_name(role), "test_accuracy_percent": by_role[role]}
        | {"forward_macs_per_image": MACS.get(config.model_name(role), 2.0e6)}
        for role in config.roles
    ]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")
