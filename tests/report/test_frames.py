"""Records and comparisons as pandas DataFrames, and `seek compare --tables`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from old_runs import unpack
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.errors import BadInput
from seekcli.runs.records import EPOCH_SCHEMA, STEP_SCHEMA, read_epochs


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("frames"), "4214a82")


def test_the_records_of_a_folder_are_its_tables_one_after_the_other(results: Path) -> None:
    epochs, steps = seekcli.epochs(results), seekcli.steps([str(results)])
    assert list(epochs.columns) == EPOCH_SCHEMA.names
    assert list(steps.columns) == STEP_SCHEMA.names
    runs = sorted((results / "runs").iterdir())
    rows = [row for run in runs for row in read_epochs(run / "epochs.parquet")]
    assert epochs["test_loss"].tolist() == [row["test_loss"] for row in rows]
    assert epochs["run_id"].nunique() == len(runs)
    # 7 runs of 10 batches an epoch or 8, of which one has one epoch, and one has two updates in half of its batches
    assert steps.groupby("run_id").size().tolist() == [len(pd.read_parquet(run / "steps.parquet")) for run in runs]


def test_whole_numbers_that_may_be_missing_stay_whole(results: Path) -> None:
    epochs = seekcli.epochs(results)
    assert str(epochs["k"].dtype) == "Int32"
    assert epochs["k"].dropna().unique().tolist() == [1]
    assert epochs.loc[epochs["schedule"] == "base", "k"].isna().all()


def test_tables_are_written_beside_the_comparison(results: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(results), "--tables", str(tmp_path / "new" / "tables")])
    assert done.exit_code == 0, done.output
    names = ("epochs", "steps", "classes", "groups", "differences")
    folder = tmp_path / "new" / "tables"
    wanted = {f"{name}.{kind}" for name in names for kind in ("parquet", "csv")} | {"configs.json"}
    assert {path.name for path in folder.iterdir()} == wanted
    for name in names:
        frame, text = pd.read_parquet(folder / f"{name}.parquet"), pd.read_csv(folder / f"{name}.csv")
        assert list(frame.columns) == list(text.columns)
        assert len(frame) == len(text) > 0
        for column in frame.select_dtypes("number"):
            numbers = [values[column].to_numpy(dtype=float, na_value=math.nan).tolist() for values in (text, frame)]
            assert numbers[0] == pytest.approx(numbers[1], rel=1e-12, nan_ok=True)
    groups = pd.read_parquet(folder / "groups.parquet")
    assert set(groups["group"]) == {"X-C", "X-Y-B", "X-Y-M", "Y-C"}


def test_the_table_of_epochs_is_read_back_as_published_findings_are(results: Path, tmp_path: Path) -> None:
    CliRunner().invoke(app, ["compare", str(results), "--tables", str(tmp_path / "tables")])
    read_back = CliRunner().invoke(app, ["compare", str(tmp_path / "tables" / "epochs.parquet"), "--format", "json"])
    own = CliRunner().invoke(app, ["compare", str(results), "--format", "json"])
    assert read_back.exit_code == 0, read_back.output
    assert json.loads(read_back.stdout)["runs_finished"] == json.loads(own.stdout)["runs_finished"] > 3


def test_a_path_without_runs_and_a_file_in_the_place_of_the_folder_are_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        seekcli.epochs(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["compare", str(results), "--tables", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert "is a file; name a folder" in done.output


def test_what_the_package_does_not_offer_is_an_attribute_error() -> None:
    assert {"epochs", "steps", "load_model"} <= set(dir(seekcli))
    with pytest.raises(AttributeError, match="no attribute 'epoch'"):
        _ = seekcli.epoch
