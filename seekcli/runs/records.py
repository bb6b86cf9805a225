"""What a run leaves behind: the parquet schemas with their only writer and reader, and status.json.

Units are in the column names; FLOPs are 2 x MACs, shares and accuracies travel as numbers, never as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import fsum, isfinite, nan
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from seekcli import files
from seekcli.config.condition_settings import share_basis
from seekcli.documents import SCHEMA_VERSION, first_problem, read_document, refuse_newer, write_document
from seekcli.errors import BadInput
from seekcli.runs.parquet import TableKind, read_columns, replace_table

# The files of a run folder.
CONFIG = "config.json"
ENVIRONMENT = "environment.json"
EPOCHS = "epochs.parquet"
STEPS = "steps.parquet"
CLASSES = "classes.parquet"
STATUS = "status.json"
CHECKPOINTS = "checkpoint"

Row = dict[str, Any]
NEWER = "newer"  # how a run stands that has a file of a later version of this program
RunState = Literal["running", "stopped", "failed", "finished"]


def _schema(columns: str) -> pa.Schema:
    """`"name type, name type?, ..."`, a question mark where the column may be null."""
    pairs = [column.split() for column in columns.split(",")]
    return pa.schema([pa.field(name, pa.type_for_alias(kind.rstrip("?")), kind.endswith("?")) for name, kind in pairs])


def _columns(schema: pa.Schema) -> tuple[tuple[str, type, bool], ...]:
    """Name, kind of Python and whether it may be null, of each column: arrow's own answers take their time."""
    kinds = {"string": str, "double": float, "int32": int, "int64": int, "bool": bool}
    return tuple((field.name, kinds[str(field.type)], field.nullable) for field in schema)


# One row per epoch and role. What each column means, and whether it is of the run, the epoch or the role:
# column_meanings.py. Of a classic run (one model) those of pair.* and motivation.* are null. The model is evaluated as
# it is written: that of an alternating run with BatchNorm statistics re-estimated (pair.recalibrate_batches), that of a
# classic one as trained; as trained is null in old rows, where it is test_accuracy_percent. A run over a fold sees no
# test image. How far the two models of a run are apart: see train/usage.py.
EPOCH_SCHEMA = _schema("""
    run_id string, schema_version int32, pair string?, model string, role string, schedule string, data string,
    recipe string, condition string?, k int32?, init string?, map string?, coverage double?, seed int64,
    batch_size int32, precision string, device_type string, epoch int32, train_loss double?, test_loss double?,
    test_accuracy_percent double?, base_steps int64, motivated_steps int64, switches int64, learning_rate double,
    forward_macs_per_image double, train_flops double, evaluation_flops double, condition_flops double,
    copied_bytes int64, epoch_seconds double, images_per_second double, peak_memory_bytes int64?,
    test_top5_accuracy_percent double?, test_balanced_accuracy_percent double?, validation_loss double?,
    validation_accuracy_percent double?, validation_balanced_accuracy_percent double?,
    test_accuracy_as_trained_percent double?, test_accuracy_recalibrated_percent double?,
    recalibration_flops double?, buffers string?, recalibrate_batches int32?, base_images int64?,
    motivated_images int64?, added_blocks_usage double?, answers_differ_percent double?,
    base_accuracy_where_differ_percent double?, motivated_accuracy_where_differ_percent double?,
    smoke bool?, test_perplexity double?, test_bits_per_byte double?, validation_perplexity double?,
    validation_bits_per_byte double?, test_r2 double?, validation_r2 double?""")
EPOCH_COLUMNS = _columns(EPOCH_SCHEMA)
EPOCH_NAMES = tuple(name for name, *_ in EPOCH_COLUMNS)
# One row per update. Epochs and steps count from 1, steps over the whole run; of a growing run a step may have two.
STEP_SCHEMA = _schema("run_id string, epoch int32, step int64, role string, loss double, learning_rate double")
# One row per class of a split and role, of the last evaluation: accuracy_percent is null for a class without images.
CLASS_SCHEMA = _schema("""
    run_id string, epoch int32, role string, split string, class_index int32, class_name string, images int64,
    correct int64, accuracy_percent double?""")
# Columns that came after the first runs, and may be null: a table without them is read as if they were.
ADDED_COLUMNS = frozenset((
    "test_accuracy_as_trained_percent", "test_accuracy_recalibrated_percent", "recalibration_flops", "buffers",
    "recalibrate_batches", "base_images", "motivated_images", "added_blocks_usage", "answers_differ_percent",
    "base_accuracy_where_differ_percent", "motivated_accuracy_where_differ_percent", "smoke",
    "test_perplexity", "test_bits_per_byte", "validation_perplexity", "validation_bits_per_byte",
    "test_r2", "validation_r2",
))  # fmt: skip
EPOCH_KEY = ("run_id", "epoch", "role")
# What a task of somebody's own measures (train/tasks/own.py) has columns beyond these.
OWN_COLUMN = re.compile(r"(test|validation)_[a-z][a-z0-9_]*")
EPOCH_TABLE = TableKind(EPOCH_SCHEMA, EPOCH_KEY, ADDED_COLUMNS, OWN_COLUMN)
own_columns = EPOCH_TABLE.own_names  # of rows
STEP_TABLE = TableKind(STEP_SCHEMA, ("run_id", "step", "role"))
CLASS_TABLE = TableKind(CLASS_SCHEMA, ("run_id", "role", "split", "class_index"))
MEASURED_COLUMNS = ("epoch_seconds", "images_per_second", "peak_memory_bytes")  # differ between two equal runs
COUNTED_PER_EPOCH = ("base_steps", "motivated_steps", "switches", "copied_bytes")  # the same in both role rows
IMAGES_PER_EPOCH = ("base_images", "motivated_images")  # the same in both role rows, null in old ones
SUMMED_PER_EPOCH = ("train_flops", "condition_flops", "epoch_seconds")


class RunStatus(BaseModel):
    """status.json: where a run stands and its last numbers, so that nobody needs its tables to compare it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int = SCHEMA_VERSION
    run_id: str
    state: RunState
    message: str | None = None
    epochs_done: int
    epochs: int
    steps_done: int
    steps_saved: int | None = None  # those of the newest checkpoint; a failed run did more. None: an older program
    steps_per_epoch: int
    final: list[Row]  # the EPOCH_SCHEMA rows of the last epoch that is done, one per role
    totals: dict[str, int | float]  # as totals_of gives them
    expected_share: float | None  # of motivated steps, by chance or by the schedule; null where none is known
    models: dict[str, str]  # role -> model name
    weights_sha256: dict[str, str] = {}  # role -> sha256 of its model file, of a finished run
    tables_sha256: dict[str, str] = {}  # file name -> sha256 of a table, of a finished run
    folds: int | None = None  # of a run over a fold of the training set (seek tune): a choice is made by it, no result
    fold: int | None = None


def expected_share_basis(status: RunStatus) -> str | None:
    """`by chance` or `by its schedule`; None where no share is expected."""
    row = status.final[0] if status.final else {}
    return None if status.expected_share is None else share_basis(row.get("schedule", ""), row.get("condition"))


def done_in_words(status: RunStatus, steps: int | None) -> str:
    """`3 of 20 epochs`; `60 of 373 steps` of a run whose length was given in `steps` (train.steps)."""
    return (
        f"{status.epochs_done} of {status.epochs} epochs" if steps is None else f"{status.steps_done} of {steps} steps"
    )


def write_epochs(path: Path, rows: Sequence[Row], check: files.Check = files.unshared) -> None:
    """Replace the epoch table. Raises ValueError for a wrong column, a null where none may be, or a row twice."""
    own = own_columns(rows)
    for row in rows:
        _check_names(row.keys() - set(own), EPOCH_SCHEMA)
    names = [*EPOCH_SCHEMA.names, *own]
    replace_table(path, {name: [row.get(name) for row in rows] for name in names}, EPOCH_TABLE, check)


def read_epochs(path: Path, run_id: str | None = None) -> list[Row]:
    """The epoch table as rows: of one run, or of any number. Raises BadInput as `read_table` does."""
    columns = read_columns(path, EPOCH_TABLE, run_id)
    refuse_newer(path, max(columns["schema_version"], default=SCHEMA_VERSION))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def write_steps(path: Path, columns: Mapping[str, Sequence[Any]], check: files.Check = files.unshared) -> None:
    """Replace the step table by equally long columns. Raises ValueError as `write_epochs` does."""
    check_step_names(columns)
    replace_table(path, columns, STEP_TABLE, check)


def check_step_names(names: Iterable[str]) -> None:
    """Raise ValueError unless these are the columns of the step table."""
    _check_names(names, STEP_SCHEMA)


def read_steps(path: Path, run_id: str | None = None) -> dict[str, list[Any]]:
    """The step table as columns. Raises BadInput as `read_table` does."""
    return read_columns(path, STEP_TABLE, run_id)


def write_classes(path: Path, rows: Sequence[Row], check: files.Check = files.unshared) -> None:
    """Replace the table of classes. Raises ValueError as `write_epochs` does."""
    for row in rows:
        _check_names(row, CLASS_SCHEMA)
    replace_table(path, {name: [row[name] for row in rows] for name in CLASS_SCHEMA.names}, CLASS_TABLE, check)


def read_classes(path: Path, run_id: str | None = None) -> list[Row]:
    """The table of classes as rows. Raises BadInput as `read_table` does."""
    columns = read_columns(path, CLASS_TABLE, run_id)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def digests_of_tables(run_dir: Path) -> dict[str, str]:
    """File name -> sha256 of the tables that a run has."""
    paths = [run_dir / name for name in (EPOCHS, STEPS, CLASSES)]
    return {path.name: files.sha256_of(path) for path in paths if path.exists()}


def totals_of(rows: Iterable[Row]) -> dict[str, int | float]:
    """Sums over the epoch rows of one run; what is of a whole epoch counts once, not once per role row.

    Images are left out where an older program did not count those of an epoch. Evaluation is each role's own and counts
    for every row. The sums do not depend on the order of the rows.
    """
    rows = list(rows)
    epochs = list({row["epoch"]: row for row in rows}.values())
    totals: dict[str, int | float] = {name: sum(row[name] for row in epochs) for name in COUNTED_PER_EPOCH}
    totals |= {name: fsum(row[name] for row in epochs) for name in SUMMED_PER_EPOCH}
    totals["evaluation_flops"] = fsum(row["evaluation_flops"] for row in rows)
    if all(row.get(name) is not None for row in epochs for name in IMAGES_PER_EPOCH):
        totals |= {name: sum(row[name] for row in epochs) for name in IMAGES_PER_EPOCH}
    return totals | {"recalibration_flops": fsum(row.get("recalibration_flops") or 0.0 for row in rows)}


def motivated_image_share(totals: Mapping[str, int | float]) -> float | None:
    """Motivated images over all training images of a run; None where an older program did not count them."""
    images = [totals[name] for name in IMAGES_PER_EPOCH if name in totals]
    if len(images) < len(IMAGES_PER_EPOCH) or not sum(images):
        return None
    return totals["motivated_images"] / sum(images)


def write_status(run_dir: Path, status: RunStatus, check: files.Check = files.unshared) -> None:
    # pydantic's JSON holds null for NaN, which an older table may have
    write_document(run_dir / STATUS, json.loads(status.model_dump_json()), check)


def read_status(run_dir: Path, run_id: str | None = None) -> RunStatus:
    """Raises BadInput, naming the file, when status.json is missing, damaged, newer, or not of the run `run_id`."""
    path = run_dir / STATUS
    value = read_document(path, since="tables_sha256")
    if not isinstance(value, dict):
        raise BadInput(f"{path} is damaged (not the status of a run)")
    refuse_newer(path, value.get("schema_version"))
    try:
        status = RunStatus.model_validate(value)
    except ValidationError as error:
        raise BadInput(f"{path} is damaged ({first_problem(error)})") from error
    if problem := _problem_in_status(status):
        raise BadInput(f"{path} is damaged ({problem})")
    if run_id not in (None, status.run_id):
        raise BadInput(f"{path} belongs to another run, {status.run_id}")
    return status


def _problem_in_status(status: RunStatus) -> str | None:
    """What is wrong with its numbers, which readers rely on: a value that no table could hold, or one that is gone.

    A column that may be null may also be missing: an older program did not know it.
    """
    for row in status.final:
        if row.get("run_id") != status.run_id:
            return f"final: run_id is {row.get('run_id')!r}, not {status.run_id!r}"
        floats = _floats_in(tuple(map(type, map(row.get, EPOCH_NAMES))))
        if floats is not None and all(map(isfinite, map(row.__getitem__, floats))):
            continue  # as nearly every row; what is wrong with another one is looked for column by column
        for name, kind, nullable in EPOCH_COLUMNS:
            value = row.get(name)
            if value is None and not nullable:
                return f"final: {name} is missing"
            if value is not None and not _fits(value, kind, name):
                return f"final: {name} is {value!r}"
    expected = (*COUNTED_PER_EPOCH, *SUMMED_PER_EPOCH, "evaluation_flops") if status.final else ()
    for name in expected:
        if not isfinite(status.totals.get(name, nan)):
            return f"totals: {name} is {status.totals.get(name, 'missing')}"
    steps = status.totals["base_steps"] + status.totals["motivated_steps"] if status.final else 1
    return "totals: there are no steps" if steps < 1 else None


@lru_cache(maxsize=1000)
def _floats_in(kinds: tuple[type, ...]) -> tuple[str, ...] | None:
    """Columns that have to be finite in an epoch row of values of these types; None where one is not of its column."""
    floats = []
    for (name, kind, nullable), found in zip(EPOCH_COLUMNS, kinds, strict=True):
        if found is NoneType and nullable:
            continue
        if found is not kind and not (kind is float and found is int):
            return None
        if kind is float and not name.endswith("_loss"):
            floats.append(name)
    return tuple(floats)


def _fits(value: object, kind: type, name: str) -> bool:
    """Whether a value is one that the column takes; of the numbers only a loss may be infinite or none."""
    if kind is str:
        return isinstance(value, str)
    if kind is bool:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind is int:
        return isinstance(value, int)
    return name.endswith("_loss") or isfinite(value)


def _check_names(names: Iterable[str], schema: pa.Schema) -> None:
    if difference := set(names) ^ set(schema.names):
        raise ValueError(f"columns missing or unknown: {', '.join(sorted(difference))}")
