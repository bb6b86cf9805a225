"""`seek list`: every name there is, and every run, the ones that cannot be read included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from finished_runs import make_run

from seekcli.cli.list import list_command
from seekcli.config.layers import recipe_names
from seekcli.config.settings import DataConfig
from seekcli.data.sets.sources import data_facts
from seekcli.documents import read_document, write_document
from seekcli.errors import BadInput
from seekcli.method.condition import CONDITIONS
from seekcli.models.catalog import MODELS, parse_pair
from seekcli.report.listings import columns_page
from seekcli.runs import records
from seekcli.runs.column_meanings import column_rows
from seekcli.runs.records import EPOCHS, write_epochs

app = typer.Typer()
app.command()(list_command)


def seek(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(*arguments: object) -> list[dict[str, Any]]:
    result = seek(*arguments, "--format", "json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_models_are_all_there_and_their_pairs_exist() -> None:
    found = rows("models")
    assert {row["name"] for row in found} == set(MODELS)
    pairs = {row["name"]: row["pair_with_next"] for row in found}
    assert pairs["resnet20"] == "resnet20-to-32"
    for name, pair in pairs.items():
        assert pair is None or parse_pair(pair)[0] == name


def test_recipes_show_what_they_set() -> None:
    found = {row["name"]: row for row in rows("recipes")}
    assert sorted(found) == recipe_names()
    assert (found["digits"]["epochs"], found["digits"]["batch_size"], found["digits"]["lr"]) == (20, 64, 0.1)
    assert all(row["about"] for row in found.values())


def test_conditions_show_the_share_that_is_expected_and_by_what() -> None:
    found = {row["name"]: row for row in rows("conditions")}
    assert set(found) == set(CONDITIONS)
    assert found["loss"]["expected_share_at_k_2"] == pytest.approx(1 / 6, abs=1e-4)
    expected = {name: row["expected"] for name, row in found.items()}
    assert {name for name, by in expected.items() if by == "by chance"} == {
        *("loss", "gradient-norm", "inverse", "random-count")
    }
    assert {name for name, by in expected.items() if by is None} == {"ema-loss", "validation-loss", "matched-count"}
    assert all(row["about"] for row in found.values())


def test_data_facts_are_those_that_a_run_gets() -> None:
    found = {row["name"]: row for row in rows("data")}
    assert {"digits", "cifar10", "cifar100", "folder:DIR", "imagenet:DIR"} < set(found)
    for name in ("digits", "cifar10", "cifar100"):
        facts = data_facts(DataConfig(name=name))
        assert found[name]["classes"] == facts.classes
        assert found[name]["images"] == f"{facts.channels}x{facts.image_size}x{facts.image_size}"
        assert (found[name]["train_images"], found[name]["test_images"]) == (facts.train_images, facts.test_images)


def test_runs_show_state_and_accuracy_and_hide_none(tmp_path: Path) -> None:
    done, stopped = make_run(tmp_path), make_run(tmp_path, "base", state="stopped")
    broken, begun = make_run(tmp_path, seed=1), make_run(tmp_path, seed=2)
    (broken / "status.json").write_text("{", encoding="utf-8")
    (begun / "status.json").unlink()
    found = {row["run"]: row for row in rows("runs", "--out", tmp_path)}
    assert set(found) == {done.name, stopped.name, broken.name, begun.name}
    assert found[done.name]["state"] == "finished"
    assert (found[done.name]["base_accuracy_percent"], found[done.name]["motivated_accuracy_percent"]) == (97.5, 98.75)
    assert (found[stopped.name]["state"], found[stopped.name]["motivated_accuracy_percent"]) == ("stopped", None)
    assert found[broken.name]["state"] == "unreadable"
    assert "status.json is damaged" in found[broken.name]["message"]
    assert found[begun.name]["state"] == "interrupted"
    assert "nothing is recorded of this run yet; dead, resumable" in found[begun.name]["message"]
    assert found[done.name]["path"] == str(done)


def test_a_finished_run_with_half_a_table_of_epochs_is_damaged(tmp_path: Path) -> None:
    run, other = make_run(tmp_path), make_run(tmp_path, seed=1)
    for folder in (run, other):
        write_epochs(folder / EPOCHS, read_document(folder / "status.json")["final"])
    (run / EPOCHS).write_bytes((run / EPOCHS).read_bytes()[:-500])
    found = {row["run"]: row for row in rows("runs", "--out", tmp_path)}
    assert [found[one.name]["state"] for one in (run, other)] == ["damaged", "finished"]
    assert found[run.name]["message"] == f"{run / EPOCHS} is damaged or no parquet file"


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_a_run_of_a_newer_seek_is_neither_finished_nor_damaged(tmp_path: Path, name: str) -> None:
    run, other = make_run(tmp_path), make_run(tmp_path, seed=1)
    write_document(run / name, read_document(run / name) | {"schema_version": 99})
    found = {row["run"]: row for row in rows("runs", "--out", tmp_path)}
    assert [found[one.name]["state"] for one in (run, other)] == ["newer", "finished"]
    assert found[run.name]["message"] == f"{run / name} was written by a newer seek (schema 99, this one knows 1)"


def test_a_finished_run_whose_settings_are_damaged_is_damaged(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "config.json").write_text("{", encoding="utf-8")
    [found] = rows("runs", "--out", tmp_path)
    assert found["state"] == "damaged"
    assert f"{run / 'config.json'} is damaged" in found["message"]


def test_a_finished_run_with_a_model_file_that_was_cut_is_damaged(tmp_path: Path) -> None:
    """Sizes are looked at; bytes that were changed in place are the matter of `seek train` and `seek compare`."""
    run, other = make_run(tmp_path), make_run(tmp_path, seed=1)
    for changed, size in ((run, -1), (other, None)):
        path = changed / "base.safetensors"
        whole = path.read_bytes()
        path.write_bytes(whole[:size] if size else whole[:-1] + bytes([whole[-1] ^ 1]))
    found = {row["run"]: row for row in rows("runs", "--out", tmp_path)}
    assert [found[run.name]["state"], found[other.name]["state"]] == ["damaged", "finished"]
    assert f"{run / 'base.safetensors'} is damaged: " in found[run.name]["message"]
    assert "with --fresh" in found[run.name]["message"]


def test_the_table_of_runs_has_a_line_for_each(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    header, line = seek("runs", "--out", tmp_path).stdout.splitlines()
    assert header.split()[:2] == ["run", "state"]
    assert line.split()[:6] == [run.name, "finished", "3/3", "epochs", "97.50", "98.75"]


@pytest.mark.parametrize("what", ["models", "data", "recipes", "conditions", "settings", "columns", "runs"])
def test_lists_fit_a_terminal_of_80_columns_and_lose_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path)
    make_run(tmp_path, "base", state="stopped")
    wide = seek(what, "--out", tmp_path).stdout
    monkeypatch.setenv("COLUMNS", "80")
    narrow = seek(what, "--out", tmp_path).stdout
    assert max(map(len, narrow.splitlines())) <= 80
    headers = set(wide.splitlines()[0].split())
    assert set(wide.replace(",", " ").split()) - set(narrow.replace(",", " ").split()) <= {*headers, "-"}
    assert "message" not in narrow


def test_a_run_whose_length_is_in_steps_is_listed_in_steps(tmp_path: Path) -> None:
    """Its epochs would be rounded up."""
    run, other = make_run(tmp_path, train__steps=16), make_run(tmp_path, seed=1)
    status = json.loads((run / "status.json").read_text(encoding="utf-8"))
    found = {row["run"]: row for row in rows("runs", "--out", tmp_path)}
    keys = ("epochs_done", "epochs", "steps_done", "steps")
    assert [found[run.name][key] for key in keys] == [None, None, status["steps_done"], 16]
    assert [found[other.name][key] for key in keys] == [3, 3, None, None]


@pytest.mark.parametrize("what", ["models", "data", "recipes", "conditions"])
def test_tables_name_what_json_names(what: str) -> None:
    table = seek(what).stdout
    assert all(row["name"] in table for row in rows(what))


def test_a_results_folder_without_runs_is_bad_input(tmp_path: Path) -> None:
    result = seek("runs", "--out", tmp_path / "nothing")
    assert isinstance(result.exception, BadInput)
    assert "nothing" in str(result.exception)


def test_an_unknown_list_is_refused() -> None:
    result = seek("pairs")
    assert result.exit_code == 2
    assert "models" in result.output


def test_listing_names_loads_no_torch() -> None:
    code = (
        "import sys; from seekcli.cli.list import list_command, What, ReadFormat; from pathlib import Path\n"
        "for what in list(What)[:4]: list_command(what, Path('results'), ReadFormat.TABLE)\n"
        "assert not {'torch', 'sklearn', 'torchvision'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_columns_say_whose_they_are_and_the_page_is_what_is_listed() -> None:
    rows = {(row["table"], row["column"]): row for row in column_rows()}
    of = {name: row["of"].partition(":")[0] for (table, name), row in rows.items() if table == records.EPOCHS}
    once = (*records.COUNTED_PER_EPOCH, *records.SUMMED_PER_EPOCH, *records.IMAGES_PER_EPOCH)
    assert {of[name] for name in once} == {"epoch"}
    assert {of[name] for name in ("evaluation_flops", "forward_macs_per_image", "test_accuracy_percent")} == {"role"}
    page = Path(__file__).resolve().parents[2] / "docs" / "columns.md"
    assert page.read_text(encoding="utf-8") == columns_page(column_rows())
