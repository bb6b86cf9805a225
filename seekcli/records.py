"""What a run leaves behind: the parquet schemas with their only writer and reader, status.json, and a scan over runs.

Units are in the column names; FLOPs are 2 x MACs, shares and accuracies travel as numbers, never as text.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
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
STATUS = "status.json"
CHECKPOINTS = "checkpoint"

Row = dict[str, Any]
State = Literal["running", "stopped", "failed", "finished"]
VERSION_KEY = b"seek_schema_version"


def _schema(columns: str) -> pa.Schema:
    """`"name type, name type?, ..."`, a question mark where the column may be null."""
    pairs = [column.split() for column in columns.split(",")]
    return pa.schema([pa.field(name, pa.type_for_alias(kind.rstrip("?")), kind.endswith("?")) for name, kind in pairs])


# One row per epoch and role. Of a classic run (one model) pair, condition, k, init, map and coverage are null; a loss
# or accuracy is null where it was not measured. The steps and switches, train_flops, condition_flops, copied_bytes and
# epoch_seconds are of the whole epoch, the same in both role rows; evaluation_flops and forward_macs_per_image are of
# the role.
EPOCH_SCHEMA = _schema("""
    run_id string, schema_version int32, pair string?, model string, role string, schedule string, data string,
    recipe string, condition string?, k int32?, init string?, map string?, coverage double?, seed int64,
    batch_size int32, precision string, device_type string, epoch int32, train_loss double?, test_loss double?,
    test_accuracy_percent double?, base_steps int64, motivated_steps int64, switches int64, learning_rate double,
    forward_macs_per_image double, train_flops double, evaluation_flops double, condition_flops double,
    copied_bytes int64, epoch_seconds double, images_per_second double, peak_memory_bytes int64?""")
# One row per step (one optimizer update) of the active role. Epochs and steps count from 1, steps over the whole run.
STEP_SCHEMA = _schema("run_id string, epoch int32, step int64, role string, loss double, learning_rate double")
EPOCH_KEY = ("run_id", "epoch", "role")
STEP_KEY = ("run_id", "step")
# What differs between two runs that are equal.
MEASURED_COLUMNS = ("epoch_seconds", "images_per_second", "peak_memory_bytes")
# Columns that say the same in both role rows of an epoch: to be counted once.
COUNTED_PER_EPOCH = ("base_steps", "motivated_steps", "switches", "copied_bytes")
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
    steps_per_epoch: int
    final: list[Row]  # the EPOCH_SCHEMA rows of the last epoch that is done, one per role
    totals: dict[str, int | float]  # as totals_of gives them
    expected_share: float | None  # of motivated steps if minibatch losses were exchangeable; null where none is known
    models: dict[str, str]  # role -> model name


@dataclass(frozen=True)
class RunSummary:
    """One run that a scan found: its status, or the problem that kept it from being read."""

    path: Path
    run_id: str
    status: RunStatus | None
    problem: str | None


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


def write_steps(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Replace the step table by equally long columns. Raises ValueError as `write_epochs` does."""
    _check_names(columns, STEP_SCHEMA)
    _write(path, columns, STEP_SCHEMA, STEP_KEY)


def read_steps(path: Path) -> dict[str, list[Any]]:
    """The step table as columns. Raises BadInput as `read_epochs` does."""
    return _read(path, STEP_SCHEMA, STEP_KEY)


def totals_of(rows: Iterable[Row]) -> dict[str, int | float]:
    """Sums over the epoch rows of one run; what is of a whole epoch counts once, not once per role row.

    Evaluation is each role's own and counts for every row. The sums do not depend on the order of the rows.
    """
    rows = list(rows)
    epochs = {row["epoch"]: row for row in rows}.values()
    totals: dict[str, int | float] = {name: sum(row[name] for row in epochs) for name in COUNTED_PER_EPOCH}
    totals |= {name: fsum(row[name] for row in epochs) for name in SUMMED_PER_EPOCH}
    totals["evaluation_flops"] = fsum(row["evaluation_flops"] for row in rows)
    return totals


def write_status(run_dir: Path, status: RunStatus) -> None:
    files.write_json(run_dir / STATUS, status.model_dump())


def read_status(run_dir: Path) -> RunStatus:
    """Raises BadInput, naming the file, when status.json is missing, damaged or newer than this program."""
    path = run_dir / STATUS
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise BadInput(f"{path} is damaged (not the status of a run)")
    _refuse_newer(path, value.get("schema_version"))
    try:
        return RunStatus.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path} is damaged ({key}: {first['msg']})") from error


def scan_runs(paths: Sequence[Path]) -> list[RunSummary]:
    """Every run at `paths`, in their order and by name within each, a run that two paths reach once.

    A path is a results folder, its runs/, one run folder, a folder of published findings (or all of them), or a parquet
    file of epochs, which may hold many runs. Reads status.json only, never a run's tables. A run that cannot be read is
    a summary with its problem. Raises BadInput for a path that is missing or holds no run.
    """
    found: dict[tuple[Path, str], RunSummary] = {}
    for path in paths:
        summaries = list(_scan(path))
        if not summaries:
            published = _visible(path / "published") if (path / "published").is_dir() else []
            hint = f"; published findings are read when they are named: {published[0]}" if published else ""
            raise BadInput(f"no runs in {path}{hint}")
        for summary in summaries:
            found.setdefault((summary.path.resolve(), summary.run_id), summary)
    return list(found.values())


def _scan(path: Path) -> Iterator[RunSummary]:
    if path.is_file():
        yield from _published(path)
    elif not path.is_dir():
        raise BadInput(f"{path} does not exist")
    elif _is_run(path):
        yield from _summaries(path)
    elif (path / "runs").is_dir():
        yield from _scan_folder(path / "runs")
    else:
        yield from _scan_folder(path)


def _scan_folder(folder: Path) -> Iterator[RunSummary]:
    """The runs of a runs/ or published/ folder. In runs/ every folder is a run, even one that is still empty."""
    for path in _visible(folder):
        if path.is_file():
            yield from _summaries(path) if path.suffix == ".parquet" and path.name != STEPS else ()
        elif folder.name == "runs" or _is_run(path):
            yield from _summaries(path)
        elif folder.name == "published":
            yield from _scan(path)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise BadInput(f"cannot read {folder}: {error.strerror}") from error


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (STATUS, CONFIG))


def _summaries(path: Path) -> list[RunSummary]:
    """The run of a folder or those of a published table; what cannot be read is a summary too."""
    try:
        if path.is_file():
            return _published(path)
        status = read_status(path)
    except BadInput as error:
        return [RunSummary(path, path.resolve().name, None, str(error))]
    return [RunSummary(path, status.run_id, status, None)]


def _published(path: Path) -> list[RunSummary]:
    """The runs of a published table, which are finished ones."""
    rows_of: dict[str, list[Row]] = {}
    for row in read_epochs(path):
        rows_of.setdefault(row["run_id"], []).append(row)
    return [RunSummary(path, run_id, _status_from(run_id, rows), None) for run_id, rows in sorted(rows_of.items())]


def _status_from(run_id: str, rows: list[Row]) -> RunStatus:
    totals = totals_of(rows)
    last = max(row["epoch"] for row in rows)
    final = [row for row in rows if row["epoch"] == last]
    return RunStatus(
        run_id=run_id, state="finished", epochs_done=last, epochs=last, final=final, totals=totals, expected_share=None,
        steps_done=int(totals["base_steps"] + totals["motivated_steps"]),
        steps_per_epoch=final[0]["base_steps"] + final[0]["motivated_steps"],
        models={row["role"]: row["model"] for row in final},
    )


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
        # Not read_table, which also takes `k=2` in a folder's name for a column.
        with open(path, "rb") as file, pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            _refuse_newer(path, int((parquet.schema_arrow.metadata or {}).get(VERSION_KEY, SCHEMA_VERSION)))
            _require_schema(path, parquet.schema_arrow, schema)
            table = parquet.read()
            table.validate(full=True)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except BadInput:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise BadInput(f"{path} is damaged or no parquet file ({str(error).splitlines()[0]})") from error
    if problem := _problem_in(table, schema, key):
        raise BadInput(f"{path} is damaged ({problem})")
    return table.to_pydict()


def _require_schema(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    if list(zip(found.names, found.types, strict=True)) == list(zip(expected.names, expected.types, strict=True)):
        return
    wrong = sorted(set(found.names) ^ set(expected.names)) or [
        field.name for field in found if field.type != expected.field(field.name).type] or ["their order"]
    raise BadInput(f"{path} is not a table of seek's (columns that differ: {', '.join(wrong[:5])})")


def _refuse_newer(path: Path, schema_version: object) -> None:
    if isinstance(schema_version, int) and schema_version > SCHEMA_VERSION:
        raise BadInput(f"{path} was written by a newer seek (schema {schema_version}, this one knows {SCHEMA_VERSION})")
