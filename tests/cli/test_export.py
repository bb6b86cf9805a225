"""`seek export` through its command: the files, what is printed, and bad input as one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from finished_runs import make_run
from kept_graphs import keep_graphs

from seekcli.cli.export import ExportFormat, export
from seekcli.errors import BadInput
from seekcli.export.card import read_card
from seekcli.export.kinds import FORMATS
from seekcli.export.load import load_model

app = typer.Typer()
app.command()(export)


def seek(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refusal(*arguments: object) -> str:
    result = seek(*arguments)
    assert isinstance(result.exception, BadInput), result.output
    return str(result.exception)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_model_of_the_run_is_exported_and_said_to_be_checked(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    result = seek(run, "--to", tmp_path / "exports")
    assert result.exit_code == 0, result.output
    assert len(names(tmp_path / "exports")) == 5
    assert "resnet8, 97.50 % after epoch 3" in result.stdout
    assert "resnet14, 98.75 % after epoch 3" in result.stdout
    assert str(tmp_path / "exports" / "resnet14-motivated.safetensors") in result.stdout
    assert result.stdout.count("logits equal") == 2
    assert load_model(tmp_path / "exports" / "resnet8-base")[1].role == "base"


def test_a_run_that_lost_its_environment_is_exported_and_told_of(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "environment.json" not in seek(run, "--to", tmp_path / "with").stderr
    (run / "environment.json").unlink()
    result = seek(run, "--to", tmp_path / "without")
    assert result.exit_code == 0, result.output
    assert "environment.json is missing" in result.stderr
    assert load_model(tmp_path / "without" / "resnet8-base")[1].evaluation.cpu is None


def test_one_role_by_run_id(tmp_path: Path) -> None:
    run = make_run(tmp_path / "elsewhere")
    result = seek(run.name, "--out", tmp_path / "elsewhere", "--role", "base", "--to", tmp_path / "exports")
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "exports") == ["README.md", "resnet8-base.json", "resnet8-base.safetensors"]


def test_without_a_folder_each_run_gets_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [make_run(Path("results"), seed=seed) for seed in (0, 1)]
    assert [seek(run.name).exit_code for run in runs] == [0, 0]
    assert names(Path("exports")) == sorted(run.name for run in runs)


def test_a_model_trained_alone_has_one_export(tmp_path: Path) -> None:
    assert seek(make_run(tmp_path, "base"), "--to", tmp_path / "exports").exit_code == 0
    assert names(tmp_path / "exports") == ["README.md", "resnet8-base.json", "resnet8-base.safetensors"]


def test_an_unknown_run_is_bad_input_with_the_nearest_id(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert f"did you mean '{run.name}'?" in refusal(f"{run.name}0", "--out", tmp_path)


def test_an_unfinished_run_is_bad_input(tmp_path: Path) -> None:
    assert "is not finished" in refusal(make_run(tmp_path, state="stopped"), "--to", tmp_path / "exports")
    assert not (tmp_path / "exports").exists()


def test_a_role_that_the_run_has_not_is_bad_input(tmp_path: Path) -> None:
    run = make_run(tmp_path, "base")
    assert "--role both" not in refusal(run, "--role", "motivated", "--to", tmp_path / "exports")
    assert "--role" in refusal(run, "--role", "both", "--to", tmp_path / "exports")


def test_files_in_the_way_are_bad_input_until_overwrite(tmp_path: Path) -> None:
    to = tmp_path / "exports"
    assert seek(make_run(tmp_path), "--to", to).exit_code == 0
    other = make_run(tmp_path, seed=1)
    assert "--overwrite" in refusal(other, "--to", to)
    assert seek(other, "--to", to, "--overwrite").exit_code == 0
    assert load_model(to / "resnet8-base")[1].training.seed == 1


def test_a_graph_is_compared_and_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_graphs(monkeypatch)
    run = make_run(tmp_path)
    result = seek(run, "--role", "base", "--format", "pt2", "--to", tmp_path / "exports")
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "exports") == ["README.md", "resnet8-base.pt2", "resnet8-base.pt2.json"]
    assert "1, 2, 5 test images of digits at a time" in result.stdout
    assert "one image here: median [quartiles]" in result.stdout


def test_a_card_names_no_place_of_data_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_graphs(monkeypatch)
    run = make_run(tmp_path, data__name=f"folder:{tmp_path / 'gone'}")
    result = seek(run, "--role", "base", "--format", "pt2", "--to", tmp_path / "exports")
    assert result.exit_code == 0, result.output
    assert "5 random pixels (the data of the run was not to be read) at a time" in result.stdout
    assert "note: resnet8-base is compared on random pixels: the data of the run cannot be read (" in result.stderr
    graph = read_card(tmp_path / "exports" / "resnet8-base.pt2.json").graph
    assert graph is not None
    assert graph.compared_on.startswith("random pixels")
    assert str(tmp_path) not in graph.compared_on


def test_preprocessing_goes_with_a_graph_alone(tmp_path: Path) -> None:
    assert refusal(make_run(tmp_path), "--with-preprocessing", "--to", tmp_path / "exports").startswith(
        "--with-preprocessing goes with --format onnx or pt2"
    )
    assert not (tmp_path / "exports").exists()


def test_every_format_can_be_asked_for() -> None:
    assert [one.value for one in ExportFormat] == list(FORMATS)


def test_formats_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    result = seek(make_run(tmp_path), "--format", "pickle", "--to", tmp_path / "exports")
    assert result.exit_code == 2
    assert "safetensors" in result.output


def test_what_was_written_is_printed_as_json(tmp_path: Path) -> None:
    result = seek(make_run(tmp_path), "--to", tmp_path / "exports", "--json")
    assert result.exit_code == 0, result.output
    base, motivated = json.loads(result.stdout)
    assert (base["role"], base["model"], base["test_accuracy_percent"]) == ("base", "resnet8", 97.5)
    assert (motivated["role"], motivated["finished"]) == ("motivated", True)
    assert [Path(one[key]).is_file() for one in (base, motivated) for key in ("file", "card")] == [True] * 4
    assert base["bytes"] == Path(base["file"]).stat().st_size
