"""The updates of a run are added epoch by epoch, and the table on disk is whole after each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st
from record_rows import step_columns

from seekcli.runs import records, step_log
from seekcli.runs.parquet import read_table
from seekcli.runs.step_log import StepLog

EPOCH = 7  # updates


def epoch_of(number: int) -> dict[str, list[Any]]:
    first = (number - 1) * EPOCH
    return step_columns(EPOCH) | {
        "epoch": [number] * EPOCH,
        "step": list(range(first + 1, first + EPOCH + 1)),
        "role": ["motivated" if (number + at) % 3 == 0 else "base" for at in range(EPOCH)],
        "loss": [1 / (first + at + 1) for at in range(EPOCH)],
    }


def joined(epochs: int) -> dict[str, list[Any]]:
    return {
        name: [value for one in range(epochs) for value in epoch_of(one + 1)[name]]
        for name in records.STEP_SCHEMA.names
    }


def logged(epochs: int, log: StepLog | None = None) -> StepLog:
    log = log or StepLog()
    for number in range(len(log) // EPOCH + 1, epochs + 1):
        log.add(epoch_of(number))
    return log


@settings(max_examples=15, deadline=None)
@given(epochs=st.integers(1, 12), stopped=st.integers(0, 12), rows=st.integers(1, 40), chunks=st.integers(1, 5))
def test_a_run_that_was_taken_up_again_writes_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, epochs: int, stopped: int, rows: int, chunks: int
) -> None:
    """Also where the table was one epoch ahead of the checkpoint, and however many row groups there are."""
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_log, "ROWS_PER_GROUP", rows)
        patch.setattr(step_log, "MOST_CHUNKS", chunks)
        logged(epochs).write(folder / "whole")
        stopped = min(stopped, epochs)
        logged(stopped).write(folder / "again")
        owner = epoch_of(1)["run_id"][0]
        back = StepLog(read_table(folder / "again", records.STEP_TABLE, owner)).until(max(0, stopped - 1))
        assert (len(back), back.steps()) == (max(0, stopped - 1) * EPOCH,) * 2
        logged(epochs, back).write(folder / "again")
    assert records.read_steps(folder / "whole") == joined(epochs)
    assert (folder / "again").read_bytes() == (folder / "whole").read_bytes()
    assert pq.ParquetFile(folder / "whole").num_row_groups == -(-epochs * EPOCH // rows)


def test_it_has_the_columns_that_other_programs_know(tmp_path: Path) -> None:
    """Text is text, whatever it is kept as in memory; and the same rows are read from either writer."""
    logged(3).write(tmp_path / "log")
    records.write_steps(tmp_path / "plain", joined(3))
    assert pq.read_table(tmp_path / "log").equals(pq.read_table(tmp_path / "plain"), check_metadata=True)


def test_a_table_in_which_nothing_stands_yet_can_be_read(tmp_path: Path) -> None:
    StepLog().write(tmp_path / "empty")
    assert records.read_steps(tmp_path / "empty") == {name: [] for name in records.STEP_SCHEMA.names}


def test_new_rows_are_checked() -> None:
    log = logged(2)
    for wrong, message in [
        (epoch_of(2), "step 8 comes after step 14"),
        (epoch_of(3) | {"step": [*range(15, 21), 15]}, r"twice: .*step 15"),
        (epoch_of(3) | {"step": [*range(14, 21)]}, "step 14 comes after step 14"),
        (epoch_of(3) | {"loss": [None] * EPOCH}, "column loss holds a null"),
        (epoch_of(3) | {"of tomorrow": [1] * EPOCH}, "of tomorrow"),
        (epoch_of(3) | {"step": [15.5] * EPOCH}, "column step holds a fraction"),
    ]:
        with pytest.raises(ValueError, match=message):
            log.add(wrong)
    assert len(log) == 2 * EPOCH


def test_two_models_may_take_one_step() -> None:
    log, both = StepLog(), epoch_of(1)
    log.add({name: both[name] * 2 for name in both} | {"role": ["base"] * EPOCH + ["motivated"] * EPOCH})
    assert (len(log), log.steps()) == (2 * EPOCH, EPOCH)


def test_it_is_small(tmp_path: Path) -> None:
    log = StepLog()
    count = 20_000
    log.add({
        "run_id": ["resnet20-to-32_cifar10_loss-k2_s0_0123456789"] * count, "epoch": [1] * count,
        "step": list(range(1, count + 1)), "role": ["base", "motivated"] * (count // 2),
        "loss": [1 / (at + 1) for at in range(count)], "learning_rate": [0.1 - at * 1e-6 for at in range(count)],
    })  # fmt: skip
    assert log.table.nbytes < 32 * count
    log.write(tmp_path / "log")
    assert (tmp_path / "log").stat().st_size < 24 * count
