"""What runs leave behind comes back exactly as it was written, and what is damaged, foreign or newer is named."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError
from record_rows import a_status, alternating_rows, epoch_row, step_columns

from seekcli import files
from seekcli.documents import SCHEMA_VERSION
from seekcli.errors import BadInput, RunFailed
from seekcli.runs import records
from seekcli.runs.parquet import MANY_ROWS
from seekcli.runs.records import EPOCH_SCHEMA, STEP_SCHEMA, Row

COLUMNS = re.findall(
    r"\w+",
    """
    run_id schema_version pair model role schedule data recipe condition k init map coverage seed batch_size
    precision device_type epoch train_loss test_loss test_accuracy_percent base_steps motivated_steps switches
    learning_rate forward_macs_per_image train_flops evaluation_flops condition_flops copied_bytes epoch_seconds
    images_per_second peak_memory_bytes test_top5_accuracy_percent test_balanced_accuracy_percent validation_loss
    validation_accuracy_percent validation_balanced_accuracy_percent
    test_accuracy_as_trained_percent test_accuracy_recalibrated_percent recalibration_flops buffers
    recalibrate_batches base_images motivated_images
    added_blocks_usage answers_differ_percent base_accuracy_where_differ_percent
    motivated_accuracy_where_differ_percent smoke test_perplexity test_bits_per_byte validation_perplexity
    validation_bits_per_byte test_r2 validation_r2""",
)
NULLABLE = {
    "pair",
    "condition",
    "k",
    "init",
    "map",
    "coverage",
    "train_loss",
    "test_loss",
    "test_accuracy_percent",
    "peak_memory_bytes",
    *COLUMNS[COLUMNS.index("test_top5_accuracy_percent") :],
}
VALUES = {
    "bool": st.booleans(),
    "string": st.text(max_size=6),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats() | st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308]),
}


def test_the_schemas_are_the_ones_that_are_promised() -> None:
    assert EPOCH_SCHEMA.names == COLUMNS
    assert {field.name for field in EPOCH_SCHEMA if field.nullable} == NULLABLE
    assert STEP_SCHEMA.names == ["run_id", "epoch", "step", "role", "loss", "learning_rate"]
    assert not any(field.nullable for field in STEP_SCHEMA)
    assert {str(field.type) for field in [*EPOCH_SCHEMA, *STEP_SCHEMA]} == set(VALUES)
    assert set(records.MEASURED_COLUMNS) < set(COLUMNS)


def values_of(field: pa.Field) -> st.SearchStrategy[Any]:
    values = VALUES[str(field.type)]
    return st.none() | values if field.nullable else values


def drawn_rows(schema: pa.Schema, key: tuple[str, ...], **fixed: Any) -> st.SearchStrategy[list[Row]]:
    row = st.fixed_dictionaries(
        {field.name: values_of(field) for field in schema} | {name: st.just(value) for name, value in fixed.items()}
    )
    return st.lists(row, max_size=4, unique_by=lambda row: tuple(row[name] for name in key))


@settings(max_examples=6)
@given(drawn_rows(EPOCH_SCHEMA, ("run_id", "epoch", "role"), schema_version=SCHEMA_VERSION))
def test_epochs_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.parquet"
    records.write_epochs(path, rows)
    assert repr(records.read_epochs(path)) == repr([{name: row[name] for name in COLUMNS} for row in rows])


@settings(max_examples=20)
@given(drawn_rows(STEP_SCHEMA, ("run_id", "step")))
def test_steps_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.parquet"
    columns = {name: [row[name] for row in rows] for name in STEP_SCHEMA.names}
    records.write_steps(path, columns)
    assert repr(records.read_steps(path)) == repr(columns)


def test_flops_may_be_counted_as_whole_numbers(tmp_path: Path) -> None:
    records.write_epochs(tmp_path / "e", [epoch_row(train_flops=2**60 + 1)])
    assert records.read_epochs(tmp_path / "e")[0]["train_flops"] == 2.0**60


def test_a_folder_name_adds_no_column(tmp_path: Path) -> None:
    path = tmp_path / "k=7" / "seed=3" / records.EPOCHS
    records.write_epochs(path, [epoch_row()])
    assert records.read_epochs(path) == [epoch_row()]


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_columns_are_all_there_and_no_others(tmp_path: Path, change: str) -> None:
    row, columns = epoch_row(), step_columns(2)
    if change == "missing":
        del row["switches"], columns["loss"]
    else:
        row["loss_of_face"] = columns["loss_of_face"] = [1.0, 2.0]
    with pytest.raises(ValueError, match=r"loss_of_face|switches"):
        records.write_epochs(tmp_path / "e", [epoch_row(), row])
    with pytest.raises(ValueError, match="loss"):
        records.write_steps(tmp_path / "s", columns)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(COLUMNS) - NULLABLE))
def test_nulls_stand_only_where_they_may(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"column {name} holds a null"):
        records.write_epochs(tmp_path / "e", [epoch_row() | {name: None}])


def test_values_are_not_cut_to_fit(tmp_path: Path) -> None:
    """Arrow by itself makes 2 of 2.5."""
    for name, value in {
        "k": 2.5,
        "seed": float("inf"),
        "epoch": 2**31,
        "copied_bytes": 2**63,
        "data": 3,
        "train_loss": "0.1",
    }.items():
        with pytest.raises((ValueError, TypeError, OverflowError)):
            records.write_epochs(tmp_path / "e", [epoch_row(**{name: value})])
    records.write_epochs(tmp_path / "e", [epoch_row(k=2.0)])  # nothing to cut
    assert records.read_epochs(tmp_path / "e") == [epoch_row()]


def test_an_epoch_and_a_step_stand_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"twice: .*epoch 2, role base"):
        records.write_epochs(tmp_path / "e", [*alternating_rows(2), epoch_row(2, train_loss=9.0)])
    with pytest.raises(ValueError, match=r"twice: .*step 1"):
        records.write_steps(tmp_path / "s", step_columns(2) | {"step": [1, 1]})
    records.write_epochs(tmp_path / "many runs", [epoch_row(), epoch_row(run_id="another")])
    assert len(records.read_epochs(tmp_path / "many runs")) == 2


def test_a_long_table_is_checked_as_a_short_one_is(tmp_path: Path) -> None:
    """Without a Python object a row; also where numbers are so large that they cannot be told apart in that way."""
    path, count = tmp_path / records.STEPS, 2 * MANY_ROWS
    columns = step_columns(count) | {"role": ["base", "motivated"] * MANY_ROWS}
    steps = columns["step"]
    records.write_steps(path, columns | {"step": [(step + 1) // 2 for step in steps]})
    assert records.read_steps(path, "r")["step"][-1] == MANY_ROWS
    records.write_steps(path, columns | {"step": [-(2**63), *steps[1:-1], 2**63 - 1]})
    for wrong in ([*steps[:-1], count - 2], [-(2**63), *steps[1:-2], 2**63 - 1, count - 2]):
        with pytest.raises(ValueError, match=rf"twice: run_id r, step {count - 2}, role motivated"):
            records.write_steps(path, columns | {"step": wrong})
    with pytest.raises(BadInput, match=r"steps\.parquet belongs to another run, r"):
        records.read_steps(path, "s")


def test_a_refused_table_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / records.EPOCHS
    records.write_epochs(path, [epoch_row()])
    with pytest.raises(ValueError, match="twice"):
        records.write_epochs(path, [epoch_row(), epoch_row()])

    def full_disk(target: Path, schema: pa.Schema, **options: object) -> None:
        target.write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, "as pyarrow words it")

    monkeypatch.setattr(pq, "ParquetWriter", full_disk)
    with pytest.raises(RunFailed, match=r"cannot write .*epochs\.parquet: No space left on device"):
        records.write_epochs(path, alternating_rows(2))
    assert records.read_epochs(path) == [epoch_row()]
    assert [entry.name for entry in tmp_path.iterdir()] == [records.EPOCHS]


def test_a_cut_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / records.EPOCHS
    records.write_epochs(path, alternating_rows(3))
    data = path.read_bytes()
    for length in [0, 1, 4, 8, *range(12, len(data), len(data) // 40), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(BadInput) as caught:
            records.read_epochs(path)
        assert str(caught.value).startswith(f"{path} is damaged")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("every", [151, pytest.param(59, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_named_or_harmless(tmp_path: Path, every: int) -> None:
    """Pages have checksums; the footer has none, but nothing in it may turn into other numbers."""
    path, rows = tmp_path / records.EPOCHS, alternating_rows(3)
    records.write_epochs(path, rows)
    data = path.read_bytes()
    problems = []
    for position in range(0, len(data), every):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1 << position % 8]) + data[position + 1 :])
        try:
            back = records.read_epochs(path)
        except BadInput as error:
            problems.append(str(error))
        else:
            assert back == rows
    assert len(problems) > 2400 // every
    assert all(problem.startswith(str(path)) for problem in problems)


def test_foreign_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(BadInput, match=r"table\.parquet does not exist"):
        records.read_epochs(path)
    with pytest.raises(BadInput, match="is damaged"):
        records.read_epochs(tmp_path)
    records.write_steps(path, step_columns(2))
    with pytest.raises(BadInput, match=r"table\.parquet is not a table of seek's \(columns that differ: base_steps, "):
        records.read_epochs(path)
    records.write_epochs(path, [epoch_row()])
    with pytest.raises(BadInput, match=r"table\.parquet is not a table of seek's"):
        records.read_steps(path)


def rewrite(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


def test_changed_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    records.write_epochs(path, [epoch_row()])
    table = pq.read_table(path)
    rewrite(path, table.select(COLUMNS[::-1]))
    with pytest.raises(BadInput, match=r"columns that differ: their order"):
        records.read_epochs(path)
    rewrite(path, table.set_column(COLUMNS.index("k"), "k", pa.array([2.0])))
    with pytest.raises(BadInput, match=r"columns that differ: k\)"):
        records.read_epochs(path)
    rewrite(path, pa.concat_tables([table, table]))
    with pytest.raises(BadInput, match=r"is damaged \(twice: run_id resnet20-to-32_digits_s0, epoch 1, role base\)"):
        records.read_epochs(path)
    no_text = pa.array([b"\xff"]).view(pa.string())
    rewrite(path, table.set_column(COLUMNS.index("role"), EPOCH_SCHEMA.field("role"), no_text))
    with pytest.raises(BadInput, match=r"table\.parquet is damaged .*UTF8"):
        records.read_epochs(path)
    nullable = pa.schema([field.with_nullable(True) for field in EPOCH_SCHEMA])
    rewrite(path, pa.Table.from_pylist([epoch_row(seed=None)], nullable))
    with pytest.raises(BadInput, match=r"is damaged \(column seed holds a null\)"):
        records.read_epochs(path)


def test_newer_tables_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    records.write_epochs(path, [epoch_row(schema_version=SCHEMA_VERSION + 1)])
    with pytest.raises(BadInput, match=r"table\.parquet was written by a newer seek"):
        records.read_epochs(path)
    records.write_steps(path, step_columns(2))
    table = pq.read_table(path)
    metadata = {key: str(SCHEMA_VERSION + 1) for key in table.schema.metadata}
    rewrite(path, table.append_column("of tomorrow", pa.array([1, 2])).replace_schema_metadata(metadata))
    with pytest.raises(BadInput, match=r"table\.parquet was written by a newer seek"):
        records.read_steps(path)


def test_totals_count_what_is_of_the_epoch_once() -> None:
    rows = alternating_rows(2)
    assert records.totals_of(rows) == {
        "base_steps": 38,
        "motivated_steps": 8,
        "switches": 12,
        "copied_bytes": 2000,
        "train_flops": pytest.approx(0.9),
        "condition_flops": 0.5,
        "epoch_seconds": 3.0,
        "evaluation_flops": 2 * 5.0 + 2 * 8.0,
        "recalibration_flops": 4 * 2.0,
        "base_images": 2 * 1181,
        "motivated_images": 2 * 256,
    }
    # Of a run that an older program began, nobody knows all of them.
    rows = alternating_rows(1) + [row | {"base_images": None} for row in alternating_rows(2)[2:]]
    assert {"base_images", "motivated_images"}.isdisjoint(records.totals_of(rows))
    assert all(isinstance(records.totals_of(rows)[name], int) for name in ("base_steps", "switches", "copied_bytes"))
    classic = [epoch_row(epoch) for epoch in (1, 2)]
    assert records.totals_of(classic)["evaluation_flops"] == 10.0
    assert records.totals_of([])["base_steps"] == 0


@given(st.permutations([epoch_row(epoch, train_flops=0.1 * 7**epoch) for epoch in range(1, 8)]))
def test_totals_do_not_depend_on_the_order(rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda row: row["epoch"])
    assert records.totals_of(rows) == records.totals_of(ordered)


def test_a_status_comes_back_exactly(tmp_path: Path) -> None:
    for status in (
        a_status(),
        a_status(state="running", final=[], epochs_done=0, expected_share=None),
        a_status(state="failed", message="step 7: the loss is not finite"),
    ):
        records.write_status(tmp_path / "run", status)
        back = records.read_status(tmp_path / "run")
        assert back == status
        assert repr(back) == repr(status)
    with pytest.raises(ValidationError):
        status.state = "finished"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "asleep"}, "state: "),
        ({"epochs_done": "three"}, "epochs_done: "),
        ({"models": None}, "models: "),
        ({"extra": 1}, "extra: "),
    ],
)
def test_a_damaged_status_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / records.STATUS
    files.write_json(path, a_status().model_dump() | change)
    with pytest.raises(BadInput) as caught:
        records.read_status(tmp_path)
    assert str(caught.value).startswith(f"{path} is damaged ({words}")


def test_other_statuses_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / records.STATUS
    with pytest.raises(BadInput, match=r"status\.json does not exist"):
        records.read_status(tmp_path)
    for value in ([], None, "finished"):
        files.write_json(path, value)
        with pytest.raises(BadInput, match=r"status\.json is damaged"):
            records.read_status(tmp_path)
    files.write_json(path, {"schema_version": SCHEMA_VERSION + 1, "of tomorrow": True})
    with pytest.raises(BadInput, match=r"status\.json was written by a newer seek"):
        records.read_status(tmp_path)


def test_the_table_of_classes_comes_back_and_holds_each_class_once(tmp_path: Path) -> None:
    row = {
        "run_id": "r",
        "epoch": 3,
        "role": "base",
        "split": "test",
        "class_index": 0,
        "class_name": "cat",
        "images": 7,
        "correct": 3,
        "accuracy_percent": 300 / 7,
    }
    rows = [row, row | {"split": "validation", "images": 0, "correct": 0, "accuracy_percent": None}]
    path = tmp_path / records.CLASSES
    records.write_classes(path, rows)
    assert records.read_classes(path) == rows
    with pytest.raises(ValueError, match="twice: run_id r, role base, split test, class_index 0"):
        records.write_classes(path, [row, row | {"epoch": 4}])
    with pytest.raises(ValueError, match="columns missing or unknown: correct"):
        records.write_classes(path, [{key: value for key, value in row.items() if key != "correct"}])
    assert records.read_classes(path) == rows


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in Linux's /proc")
def test_reading_a_table_starts_no_thread(tmp_path: Path) -> None:
    """A thread of arrow's that still holds something of Python's when the interpreter ends aborts the process."""
    records.write_epochs(tmp_path / "epochs.parquet", alternating_rows(2))
    code = (
        "import os, sys; from pathlib import Path; from seekcli.runs import records\n"
        "before = len(os.listdir('/proc/self/task')); records.read_epochs(Path(sys.argv[1]))\n"
        "print(len(os.listdir('/proc/self/task')) - before)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(records.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(tmp_path / "epochs.parquet")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "0"


def test_a_share_of_images_is_none_where_not_both_were_counted() -> None:
    assert records.motivated_image_share({"base_images": 30, "motivated_images": 10}) == 0.25
    assert records.motivated_image_share({"base_images": 30}) is None
    assert records.motivated_image_share({"base_images": 0, "motivated_images": 0}) is None
