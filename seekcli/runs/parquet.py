"""Typed tables on disk: parquet files of one schema each, with page checksums, read back whole or named as damaged."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seekcli import files
from seekcli.documents import SCHEMA_VERSION, refuse_newer
from seekcli.errors import BadInput
from seekcli.plain_data import refuse_special

PARQUET = b"PAR1"
VERSION_KEY = b"seek_schema_version"
MAX_INT64 = 2**63 - 1
MANY_ROWS = 10_000  # arrow's functions take 0.1 s to import, which tables of epochs are too small for


@dataclass(frozen=True)
class TableKind:
    """The columns of a table, those that tell its rows apart, and those that older programs did not know.

    `own` is the form of names of columns beyond these: numbers that somebody's own task measures, which may be null.
    """

    schema: pa.Schema
    key: tuple[str, ...]
    added: frozenset[str] = frozenset()
    own: re.Pattern[str] | None = None

    def with_own(self, names: Iterable[str]) -> TableKind:
        """The kind with a column for each of these names that it allows, after all others."""
        if not (more := self.own_names([dict.fromkeys(names)])):
            return self
        return replace(self, schema=pa.schema([*self.schema, *(pa.field(name, pa.float64()) for name in more)]))

    def own_names(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Those that only `own` allows, in these rows or columns."""
        if self.own is None:
            return []
        names = {name for row in rows for name in row} - set(self.schema.names)
        return sorted(name for name in names if self.own.fullmatch(name))


def table_problem(path: Path) -> str | None:
    """What is plainly wrong with a parquet file, from its first and last bytes: it is not read."""
    try:
        refuse_special(path)
        with open(path, "rb", buffering=0) as file:
            head = file.read(len(PARQUET))
            file.seek(-len(PARQUET), os.SEEK_END)
            whole = head == file.read() == PARQUET
    except BadInput as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None if whole else f"{path} is damaged or no parquet file"


def replace_table(path: Path, columns: Mapping[str, Sequence[Any]], kind: TableKind, check: files.Check) -> None:
    """Replace a table. Raises ValueError for a null where none may be, a fraction in whole numbers, or a row twice."""
    kind = kind.with_own(columns)
    table = as_table(columns, kind)
    files.write_with(path, lambda temporary: write_parquet(temporary, kind.schema, [table]), check)


def as_table(columns: Mapping[str, Sequence[Any]], kind: TableKind) -> pa.Table:
    """Columns of Python values as a table of the kind. Raises ValueError as `replace_table` does."""
    arrays = [_array(columns[field.name], field) for field in kind.schema]
    table = pa.Table.from_arrays(arrays, schema=kind.schema)
    if problem := _problem_in(table, kind):
        raise ValueError(problem)
    return table


def write_parquet(path: Path, schema: pa.Schema, parts: Iterable[pa.Table], repeating: Sequence[str] = ()) -> None:
    """Write `parts` one after the other, each as a row group; the values of columns named as `repeating` are few."""
    schema = schema.with_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    # Page checksums: a flipped bit on the disk is found when the table is read, not believed.
    options = {"write_page_checksum": True, "use_dictionary": list(repeating) or True}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for part in parts:
            as_asked = part.schema.equals(schema)  # but for the metadata
            writer.write_table(part.replace_schema_metadata(schema.metadata) if as_asked else part.cast(schema))


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_floating(field.type):  # FLOPs are counted as whole numbers, which arrow refuses above 2**53
        values = [float(value) if isinstance(value, int) else value for value in values]
    elif any(isinstance(value, float) and value % 1 for value in values):  # and which it cuts off here, saying nothing
        raise ValueError(f"column {field.name} holds a fraction")
    return pa.array(values, type=field.type, from_pandas=False)


def _problem_in(table: pa.Table, kind: TableKind) -> str | None:
    """What makes a table of the right columns wrong: a null where none may be, or a row twice."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and not kind.schema.field(name).nullable:
            return f"column {name} holds a null"
    if len(table) > MANY_ROWS and _tells_rows_apart(table.select(kind.key)):
        return None
    for values, times in Counter(zip(*(table.column(name).to_pylist() for name in kind.key), strict=True)).items():
        if times > 1:
            return "twice: " + ", ".join(f"{name} {value}" for name, value in zip(kind.key, values, strict=True))
    return None


def _tells_rows_apart(keys: pa.Table) -> bool:
    """Whether no two rows are equal, told without a Python object a row. False also where that cannot be told so."""
    # Not group_by: it is of arrow's query engine, which has threads.
    row_numbers, numbers = np.zeros(len(keys), dtype=np.int64), 1
    for column in keys.columns:
        column = column.combine_chunks()
        if pa.types.is_string(column.type):
            column = column.dictionary_encode().indices
        places = column.to_numpy(zero_copy_only=False).astype(np.int64)
        least, most = (int(places.min()), int(places.max())) if len(places) else (0, 0)
        numbers *= most - least + 1
        if numbers > MAX_INT64:
            return False
        row_numbers = row_numbers * (most - least + 1) + (places - least)
    row_numbers.sort()
    return not np.any(row_numbers[1:] == row_numbers[:-1])


def read_columns(
    path: Path, kind: TableKind, run_id: str | None = None, only: Sequence[str] | None = None
) -> dict[str, list[Any]]:
    """The columns of a table, or `only` those of them, which hold the key. Raises BadInput as `read_table` does."""
    columns: dict[str, list[Any]] = read_table(path, kind, run_id, only).to_pydict()
    return columns


def read_table(path: Path, kind: TableKind, run_id: str | None = None, only: Sequence[str] | None = None) -> pa.Table:
    """A table, or `only` those columns of it, which hold the key.

    Raises BadInput, naming the file, when it is missing, damaged, of another kind, newer than this program, or holds
    rows of another run than `run_id`.
    """
    refuse_special(path)
    try:
        # Not read_table, which also takes `k=2` in a folder's name for a column. Nothing of Python's goes to arrow's
        # threads: one that let go of it while the interpreter ends would abort the process (exit code 134). A path goes
        # to arrow as bytes, since the name of a folder need not be UTF-8.
        here = {"pre_buffer": False, "page_checksum_verification": True}
        with pa.OSFile(os.fsencode(path)) as file, pq.ParquetFile(file, **here) as parquet:
            refuse_newer(path, int((parquet.schema_arrow.metadata or {}).get(VERSION_KEY, SCHEMA_VERSION)))
            kind = kind.with_own(parquet.schema_arrow.names)
            _require_schema(path, parquet.schema_arrow, kind)
            table = parquet.read(columns=only, use_threads=False)
            table.validate(full=True)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist") from None
    except BadInput:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise BadInput(f"{path} is damaged or no parquet file ({str(error).splitlines()[0]})") from error
    table = _with_added_columns(table, [field for field in kind.schema if only is None or field.name in only])
    if problem := _problem_in(table, kind):
        raise BadInput(f"{path} is damaged ({problem})")
    owners = table.column("run_id")
    owners = owners.unique() if len(table) > MANY_ROWS else owners
    if foreign := sorted(set(owners.to_pylist()) - {run_id}) if run_id is not None else []:
        raise BadInput(f"{path} belongs to another run, {foreign[0]}")
    return table


def _with_added_columns(table: pa.Table, schema: Sequence[pa.Field]) -> pa.Table:
    """The table with every column of the schema, null where the program that wrote it did not know the column."""
    found = dict(zip(table.column_names, table.columns, strict=True))  # once: arrow makes the names anew when asked
    columns = [found[field.name] if field.name in found else pa.nulls(len(table), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=pa.schema(schema))


def _require_schema(path: Path, found: pa.Schema, kind: TableKind) -> None:
    expected, names = kind.schema, set(found.names)
    known = [field for field in expected if field.name in names or field.name not in kind.added]
    if [(field.name, field.type) for field in found] == [(field.name, field.type) for field in known]:
        return
    wrong = (
        sorted(names ^ {field.name for field in known})
        or [field.name for field in found if field.type != expected.field(field.name).type]
        or ["their order"]
    )
    raise BadInput(f"{path} is not a table of seek's (columns that differ: {', '.join(wrong[:5])})")
