"""The records of runs, and a comparison of them, as pandas DataFrames; and as files for other programs.

Column names are those of `seek list columns` and of `seek compare --format json`; units are in the names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from seekcli import files
from seekcli.analysis.classes import Damaged, refused
from seekcli.analysis.comparison import Comparison
from seekcli.analysis.runs import run_config
from seekcli.documents import write_document
from seekcli.errors import BadInput
from seekcli.report.data import comparison_data
from seekcli.runs.config_file import CONFIGS, document_to_publish
from seekcli.runs.overlapped import overlapped
from seekcli.runs.records import CLASS_SCHEMA, EPOCH_TABLE, STEP_SCHEMA, Row, own_columns
from seekcli.runs.scan import RunSummary, published_rows, scan_runs
from seekcli.runs.step_tables import StepTables

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Paths = str | Path | Sequence[str | Path]
# What names a cell of a comparison in each of its rows.
CELL_KEYS = ("pair", "data")


def epochs(paths: Paths = "results") -> pd.DataFrame:
    """One row per epoch and role of every run at `paths`: results folders, run folders or published tables.

    Runs that cannot be read, or that have no finished epoch, give no row. Raises BadInput for a path that is missing
    or holds no run, and for a damaged table.
    """
    return epochs_of(scan_runs(as_paths(paths)))


def steps(paths: Paths = "results") -> pd.DataFrame:
    """One row per update of every run at `paths`; of published ones where it is beside them. Else as `epochs`."""
    return steps_frame(scan_runs(as_paths(paths)))


def as_paths(paths: Paths) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]


def epochs_of(runs: Sequence[RunSummary]) -> pd.DataFrame:
    known = [run for run in runs if run.status]
    rows = [row for found in overlapped(_epochs_in_folder, known) for row in found]
    wanted = {run.run_id for run in known}
    for path in dict.fromkeys(run.path for run in known if run.path.is_file()):  # of published runs, many in one
        rows += [row for row in published_rows(path) if row["run_id"] in wanted]
    return as_frame(pa.Table.from_pylist(rows, schema=epoch_schema(own_columns(rows))))


def _epochs_in_folder(run: RunSummary) -> list[Row]:
    return run.folder.epochs() if not run.path.is_file() and run.folder.epochs_path.exists() else []


def epoch_schema(names: Iterable[str]) -> pa.Schema:
    """The columns of the table of epochs, and those of these names that are somebody's own."""
    return EPOCH_TABLE.with_own(names).schema


def steps_frame(runs: Sequence[RunSummary], damaged: Damaged = refused) -> pd.DataFrame:
    """Of a damaged table `damaged` is told, and the others are in the frame."""
    tables = StepTables({run.run_id: run.path for run in runs})
    found = _read([run.run_id for run in runs if tables.has_steps(run.run_id)], tables.steps, damaged)
    columns = {name: [value for one in found for value in one[name]] for name in STEP_SCHEMA.names}
    return as_frame(pa.Table.from_pydict(columns, schema=STEP_SCHEMA))


def classes_frame(runs: Sequence[RunSummary], damaged: Damaged = refused) -> pd.DataFrame:
    """One row per class, split and role of the runs that have classes. Else as `steps_frame`."""
    tables = StepTables({run.run_id: run.path for run in runs})
    found = _read([run.run_id for run in runs if tables.has_classes(run.run_id)], tables.classes, damaged)
    return as_frame(pa.Table.from_pylist([row for rows in found for row in rows], schema=CLASS_SCHEMA))


def _read(run_ids: Iterable[str], reader: Callable[[str], T], damaged: Damaged) -> list[T]:
    found = []
    for run_id in run_ids:
        try:
            found.append(reader(run_id))
        except BadInput as error:
            damaged(error)
    return found


def groups(comparison: Comparison) -> pd.DataFrame:
    """One row per group of runs that differ in their seed alone. Lists and values by seed are JSON text."""
    return from_cells(comparison, "groups")


def differences_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per paired difference, with its interval, p values and word."""
    return from_cells(comparison, "paired_differences")


def from_cells(comparison: Comparison, part: str) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {key: cell[key] for key in CELL_KEYS} | {key: flat(value) for key, value in row.items()}
        for cell in comparison_data(comparison)["cells"]
        for row in cell[part]
    ]
    return pd.DataFrame(rows).convert_dtypes()


def flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Whole numbers that may be missing stay whole. Without arrow's threads, which may outlive the interpreter."""
    import pandas as pd

    whole = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=whole.get, use_threads=False)
    return frame


def write_tables(
    folder: Path, runs: Sequence[RunSummary], comparison: Comparison, damaged: Damaged = refused
) -> list[Path]:
    """Write epochs, steps, classes, groups and differences of what is compared into `folder`, as parquet and as CSV.

    configs.json has the settings of the runs, without which arms that differ in some of them could not be told apart.

    Returns the paths. Raises BadInput where `folder` is a file. Of a damaged table of steps or of classes `damaged` is
    told; it is not in the files.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--tables {folder} is a file; name a folder")
    # A run that is not finished is compared with nothing, and a table read back says of no run that it is unfinished.
    counted = {run_id for cell in comparison.cells for group in cell.groups for run_id in group.run_ids}
    compared = [run for run in runs if run.run_id in counted]
    frames = {
        "epochs": epochs_of(compared),
        "steps": steps_frame(compared, damaged),
        "classes": classes_frame(compared, damaged),
        "groups": groups(comparison),
        "differences": differences_frame(comparison),
    }
    files.make_folder(folder)
    schemas = {
        "epochs": epoch_schema(frames["epochs"].columns),
        "steps": STEP_SCHEMA,
        "classes": CLASS_SCHEMA,
    }  # these are read back, as published findings
    written = [folder / CONFIGS]
    write_document(written[0], {"runs": _configs(compared)})
    for name, frame in frames.items():
        kept = {"schema": schemas[name]} if name in schemas else {}
        for suffix, writer in ((".parquet", partial(frame.to_parquet, **kept)), (".csv", frame.to_csv)):
            written.append(folder / f"{name}{suffix}")
            files.write_with(written[-1], partial(writer, index=False))
    return written


def _configs(runs: Sequence[RunSummary]) -> dict[str, Any]:
    """By run id; a run without config.json has none."""
    found = {run.run_id: (run, run_config(run, run.run_id)) for run in runs if run.status}
    return {
        run_id: document_to_publish(config, str(run.status.final[0]["data"]))
        for run_id, (run, config) in sorted(found.items())
        if config is not None and run.status is not None
    }
