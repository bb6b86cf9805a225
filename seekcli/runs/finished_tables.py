"""Whether the tables of a finished run are those that its status was written for: by digest, or by their numbers."""

from __future__ import annotations

from pathlib import Path

from seekcli import files
from seekcli.errors import BadInput
from seekcli.runs.parquet import TableKind, read_columns, read_table, table_problem
from seekcli.runs.records import (
    CLASS_TABLE,
    CLASSES,
    COUNTED_PER_EPOCH,
    EPOCH_TABLE,
    EPOCHS,
    STATUS,
    STEP_TABLE,
    STEPS,
    SUMMED_PER_EPOCH,
    Row,
    RunStatus,
    totals_of,
)

# What a status of an earlier version is compared with the table by: what comparisons show, and what is summed up.
COMPARED = (
    *("run_id", "role", "model", "seed", "epoch", "forward_macs_per_image", "test_accuracy_percent"),
    *("test_accuracy_as_trained_percent", "test_accuracy_recalibrated_percent"),
    *(*COUNTED_PER_EPOCH, *SUMMED_PER_EPOCH, "evaluation_flops", "recalibration_flops"),
)


def check_epochs(run_dir: Path, status: RunStatus) -> None:
    """Raise BadInput, naming the table of epochs, unless it is the one that a finished run's status was written for.

    A status of an earlier version knows no digest of the table: its final numbers and totals are compared with it.
    """
    path = run_dir / EPOCHS
    if path.name in status.tables_sha256:
        check_table(path, EPOCH_TABLE, status)
        return
    columns = read_columns(path, EPOCH_TABLE, status.run_id, COMPARED)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    final = {row["role"]: _as_floats(row) for row in rows if row["epoch"] == status.epochs_done}
    said = {row["role"]: _as_floats({name: row.get(name) for name in COMPARED}) for row in status.final}
    totals = totals_of(rows)
    known = {name: status.totals.get(name, total) for name, total in totals.items()}  # some came later
    if final != said or totals != known:
        raise BadInput(f"{path} and {STATUS} differ in their final numbers: one of them is damaged")


def check_tables(run_dir: Path, status: RunStatus) -> None:
    """Raise BadInput, naming it, for a table that is not the one that a finished run's status was written for."""
    check_epochs(run_dir, status)
    check_table(run_dir / STEPS, STEP_TABLE, status)
    if _has_classes(run_dir, status):
        check_table(run_dir / CLASSES, CLASS_TABLE, status)


def check_ends(run_dir: Path, status: RunStatus) -> None:
    """Raise BadInput, naming it, for a table that is missing or plainly cut, for lists of many runs: none is read."""
    for name in (EPOCHS, STEPS, *([CLASSES] if _has_classes(run_dir, status) else [])):
        if problem := table_problem(run_dir / name):
            raise BadInput(problem)


def _has_classes(run_dir: Path, status: RunStatus) -> bool:
    return CLASSES in status.tables_sha256 or (run_dir / CLASSES).exists()


def check_table(path: Path, kind: TableKind, status: RunStatus) -> None:
    """Raise BadInput, naming the table, unless it is the one that a finished run's status was written for."""
    recorded = status.tables_sha256.get(path.name)
    if recorded is not None and files.sha256_of(path) == recorded:
        return
    read_table(path, kind, status.run_id, kind.key)  # what is of another run or plainly damaged is told as such
    if recorded is not None:
        raise BadInput(f"{path} is damaged, or is not the file that was recorded: its sha256 differs")


def _as_floats(row: Row) -> Row:
    """FLOPs that were counted as whole numbers may be too large for a double, which is what the table holds of them."""
    return {name: float(value) if isinstance(value, int) else value for name, value in row.items()}
