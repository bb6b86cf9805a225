"""What a run leaves behind: the parquet schemas with their only writer and reader, and status.json.

Units are in the column names; FLOPs are 2 x MACs, shares and accuracies travel as numbers, never as text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import fsum, isfinite, nan
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from seekcli import files
from seekcli.config import SCHEMA_VERSION
from seekcli.errors import BadInput

# The files of a run folder.
CONFIG = "config.json"
ENVIRONMENT = "environment.json"
EPOCHS = "epochs.parquet"
STEPS = "steps.parquet"
CLASSES = "classes.parquet"
STATUS = "status.json"
CHECKPOINTS = "checkpoint"

Row = dict[str, Any]
State = Literal["running", "stopped", "failed", "finished"]
PARQUET, VERSION_KEY = b"PAR1", b"seek_schema_version"


def _schema(columns: str) -> pa.Schema:
    """`"name type, name type?, ..."`, a question mark where the column may be null."""
    pairs = [column.split() for column in columns.split(",")]
    return pa.schema([pa.field(name, pa.type_for_alias(kind.rstrip("?")), kind.endswith("?")) for name, kind in pairs])


# One row per epoch and role. Of a classic run (one model) pair, condition, k, init, map, coverage, buffers and
# recalibrate_batches are null; a loss or accuracy is null where it was not measured, top-5 also where there are fewer
# than 6 classes: every image would be a hit. Balanced accuracy is the mean over the classes of their recalls. The
# validation split is that of data.validation_fraction or the fold of data.fold; a run over a fold sees no test image.
# The steps and switches, train_flops, condition_flops, copied_bytes and epoch_seconds are of the whole epoch, the same
# in both role rows; evaluation_flops (of test and validation images), forward_macs_per_image and recalibration_flops
# (of the re-estimation and the second evaluation) are of the role. The model is evaluated as it is written: that of an
# alternating run with BatchNorm statistics re-estimated (pair.recalibrate_batches), that of a classic one as trained.
# Either accuracy has its own column; as trained it is null in old rows, where it is test_accuracy_percent.
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
    recalibration_flops double?, buffers string?, recalibrate_batches int32?""")
# One row per update. Epochs and steps count from 1, steps over the whole run; of a growing run a step may have two.
STEP_SCHEMA = _schema("run_id string, epoch int32, step int64, role string, loss double, learning_rate double")
# One row per class of a split and role, of the last evaluation: accuracy_percent is null for a class without images.
CLASS_SCHEMA = _schema("""
    run_id string, epoch int32, role string, split string, class_index int32, class_name string, images int64,
    correct int64, accuracy_percent double?""")
# Columns that came after the first runs, and may be null: a table without them is read as if they were.
ADDED_COLUMNS = frozenset((
    "test_accuracy_as_trained_percent", "test_accuracy_recalibrated_percent", "recalibration_flops", "buffers",
    "recalibrate_batches",
))  # fmt: skip
EPOCH_KEY = ("run_id", "epoch", "role")
STEP_KEY = ("run_id", "step", "role")
CLASS_KEY = ("run_id", "role", "split", "class_index")
MEASURED_COLUMNS = ("epoch_seconds", "images_per_second", "peak_memory_bytes")  # differ between two equal runs
COUNTED_PER_EPOCH = ("base_steps", "motivated_steps", "switches", "copied_bytes")  # the same in both role rows
SUMMED_PER_EPOCH = ("train_flops", "condition_flops", "epoch_seconds")


class RunStatus(BaseModel):
    """status.json: where a run stands and its last numbers, so that nobody needs its tables to compare it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int = SCHEMA_VERSION
    run_id: str
    state: State
    message: str | None = None
    epochs_done: int
    epochs: int
    steps_done: int
    steps_saved: int | None = None  # those of the newest checkpoint; a failed run did more. None: an older program
    steps_per_epoch: int
    final: list[Row]  # the EPOCH_SCHEMA rows of the last epoch that is done, one per role
    totals: dict[str, int | float]  # as totals_of gives them
    expected_share: float | None  # of motivated steps if minibatch losses were exchangeable; null where none is known
    models: dict[str, str]  # role -> model name
    weights_sha256: dict[str, str] = {}  # role -> sha256 of its model file, of a finished run
    folds: int | None = None  # of a run over a fold of the training set (seek tune): a choice is made by it, no result
    fold: int | None = None


def write_epochs(path: Path, rows: Sequence[Row]) -> None:
    """Replace the epoch table. Raises ValueError for a wrong column, a null where none may be, or a row twice."""
    for row in rows:
        _check_names(row, EPOCH_SCHEMA)
    _write(path, {name: [row[name] for row in rows] for name in EPOCH_SCHEMA.names}, EPOCH_SCHEMA, EPOCH_KEY)


def read_epochs(path: Path) -> list[Row]:
    """The epoch table as rows. Raises BadInput, naming the file, when it is missing, damaged, foreign or newer."""
    columns = _read(path, EPOCH_SCHEMA, EPOCH_KEY)
    _refuse_newer(path, max(columns["schema_version"], default=SCHEMA_VERSION))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def table_problem(path: Path) -> str | None:
    """What is plainly wrong with a parquet file, from its first and last bytes: it is not read."""
    try:
        with open(path, "rb") as file:
            head = file.read(len(PARQUET))
            file.seek(-len(PARQUET), 2)
            whole = head == file.read() == PARQUET
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None if whole else f"{path} is damaged or no parquet file"


def write_steps(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Replace the step table by equally long columns. Raises ValueError as `write_epochs` does."""
    _check_names(columns, STEP_SCHEMA)
    _write(path, columns, STEP_SCHEMA, STEP_KEY)


def read_steps(path: Path) -> dict[str, list[Any]]:
    """The step table as columns. Raises BadInput as `read_epochs` does."""
    return _read(path, STEP_SCHEMA, STEP_KEY)


def write_classes(path: Path, rows: Sequence[Row]) -> None:
    """Replace the table of classes. Raises ValueError as `write_epochs` does."""
    for row in rows:
        _check_names(row, CLASS_SCHEMA)
    _write(path, {name: [row[name] for row in rows] for name in CLASS_SCHEMA.names}, CLASS_SCHEMA, CLASS_KEY)


def read_classes(path: Path) -> list[Row]:
    """The table of classes as rows. Raises BadInput as `read_epochs` does."""
    columns = _read(path, CLASS_SCHEMA, CLASS_KEY)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def totals_of(rows: Iterable[Row]) -> dict[str, int | float]:
    """Sums over the epoch rows of one run; what is of a whole epoch counts once, not once per role row.

    Evaluation is each role's own and counts for every row. The sums do not depend on the order of the rows.
    """
    rows = list(rows)
    epochs = {row["epoch"]: row for row in rows}.values()
    totals: dict[str, int | float] = {name: sum(row[name] for row in epochs) for name in COUNTED_PER_EPOCH}
    totals |= {name: fsum(row[name] for row in epochs) for name in SUMMED_PER_EPOCH}
    totals["evaluation_flops"] = fsum(row["evaluation_flops"] for row in rows)
    return totals | {"recalibration_flops": fsum(row.get("recalibration_flops") or 0.0 for row in rows)}


def write_status(run_dir: Path, status: RunStatus) -> None:
    # pydantic's JSON holds null for NaN, which an older table may have
    files.write_json(run_dir / STATUS, json.loads(status.model_dump_json()))


def read_status(run_dir: Path) -> RunStatus:
    """Raises BadInput, naming the file, when status.json is missing, damaged or newer than this program."""
    path = run_dir / STATUS
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise BadInput(f"{path} is damaged (not the status of a run)")
    _refuse_newer(path, value.get("schema_version"))
    try:
        status = RunStatus.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path} is damaged ({key}: {first['msg']})") from error
    if problem := _problem_in_status(status):
        raise BadInput(f"{path} is damaged ({problem})")
    return status


def _problem_in_status(status: RunStatus) -> str | None:
    """What is wrong with its numbers, which readers rely on: a value that no table could hold, or one that is gone.

    A column that may be null may also be missing: an older program did not know it.
    """
    for row in status.final:
        for field in EPOCH_SCHEMA:
            value = row.get(field.name)
            if value is None and not field.nullable:
                return f"final: {field.name} is missing"
            if value is not None and not _fits(value, field):
                return f"final: {field.name} is {value!r}"
    expected = (*COUNTED_PER_EPOCH, *SUMMED_PER_EPOCH, "evaluation_flops") if status.final else ()
    for name in expected:
        if not isfinite(status.totals.get(name, nan)):
            return f"totals: {name} is {status.totals.get(name, 'missing')}"
    steps = status.totals["base_steps"] + status.totals["motivated_steps"] if status.final else 1
    return "totals: there are no steps" if steps < 1 else None


def _fits(value: object, field: pa.Field) -> bool:
    """Whether a value is one that the column takes; of the numbers only a loss may be infinite or none."""
    if pa.types.is_string(field.type):
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if pa.types.is_integer(field.type):
        return isinstance(value, int)
    return field.name.endswith("_loss") or isfinite(value)


def _check_names(names: Iterable[str], schema: pa.Schema) -> None:
    if difference := set(names) ^ set(schema.names):
        raise ValueError(f"columns missing or unknown: {', '.join(sorted(difference))}")


def _write(path: Path, columns: Mapping[str, Sequence[Any]], schema: pa.Schema, key: tuple[str, ...]) -> None:
    table = pa.Table.from_arrays([_array(columns[field.name], field) for field in schema], schema=schema)
    if problem := _problem_in(table, schema, key):
        raise ValueError(problem)
    table = table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    # Page checksums: a flipped bit on the disk is found when the table is read, not believed.
    files.write_with(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_floating(field.type):  # FLOPs are counted as whole numbers, which arrow refuses above 2**53
        values = [float(value) if isinstance(value, int) else value for value in values]
    elif any(isinstance(value, float) and value % 1 for value in values):  # and which it cuts off here, saying nothing
        raise ValueError(f"column {field.name} holds a fraction")
    return pa.array(values, type=field.type, from_pandas=False)


def _problem_in(table: pa.Table, schema: pa.Schema, key: tuple[str, ...]) -> str | None:
    """What makes a table of the right columns wrong: a null where none may be, or a row twice."""
    for field, column in zip(schema, table.columns, strict=True):
        if column.null_count and not field.nullable:
            return f"column {field.name} holds a null"
    for values, times in Counter(zip(*(table.column(name).to_pylist() for name in key), strict=True)).items():
        if times > 1:
            return "twice: " + ", ".join(f"{name} {value}" for name, value in zip(key, values, strict=True))
    return None


def _read(path: Path, schema: pa.Schema, key: tuple[str, ...]) -> dict[str, list[Any]]:
    try:
        # Not read_table, which also takes `k=2` in a folder's name for a column. Nothing of Python's goes to arrow's
        # threads: one that let go of it while the interpreter ends would abort the process (exit code 134).
        here = {"pre_buffer": False, "page_checksum_verification": True}
        with pa.OSFile(str(path)) as file, pq.ParquetFile(file, **here) as parquet:
            _refuse_newer(path, int((parquet.schema_arrow.metadata or {}).get(VERSION_KEY, SCHEMA_VERSION)))
            _require_schema(path, parquet.schema_arrow, schema)
            table = parquet.read(use_threads=False)
            table.validate(full=True)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except BadInput:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise BadInput(f"{path} is damaged or no parquet file ({str(error).splitlines()[0]})") from error
    table = _with_added_columns(table, schema)
    if problem := _problem_in(table, schema, key):
        raise BadInput(f"{path} is damaged ({problem})")
    return table.to_pydict()


def _with_added_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with every column of the schema, null where the program that wrote it did not know the column."""
    columns = [
        table.column(field.name) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _require_schema(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    known = [field for field in expected if field.name in found.names or field.name not in ADDED_COLUMNS]
    if [(field.name, field.type) for field in found] == [(field.name, field.type) for field in known]:
        return
    wrong = (
        sorted(set(found.names) ^ {field.name for field in known})
        or [field.name for field in found if field.type != expected.field(field.name).type]
        or ["their order"]
    )
    raise BadInput(f"{path} is not a table of seek's (columns that differ: {', '.join(wrong[:5])})")


def _refuse_newer(path: Path, schema_version: object) -> None:
    if isinstance(schema_version, int) and schema_version > SCHEMA_VERSION:
        raise BadInput(f"{path} was written by a newer seek (schema {schema_version}, this one knows {SCHEMA_VERSION})")
