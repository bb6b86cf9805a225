"""The commands as functions: the same runs, the same comparison."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from outlined_pictures import outline_pictures
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.errors import BadInput

SMALL = {"train.epochs": 1, "data.limit_train": 60, "train.batch_size": 20, "data.test_images": 60}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    folder = seekcli.train("resnet8-to-14", settings=SMALL, out=out)
    assert folder.parent == out / "runs"
    assert seekcli.train("resnet8-to-14", settings=SMALL, out=out) == folder
    seekcli.train("resnet8-to-14", schedule="base", settings=SMALL, out=out)
    return out


def test_train_makes_the_run_of_the_command(results):
    flags = ["--epochs", "1", "--batch-size", "20", "--set", "data.limit_train=60", "--set", "data.test_images=60"]
    done = CliRunner().invoke(
        app, ["train", "--model", "resnet8-to-14", "--data", "digits", *flags, "--out", str(results)]
    )
    assert done.exit_code == 0
    assert len(list((results / "runs").glob("resnet8*"))) == 2


def test_compare_is_a_frame_and_says_what_the_command_says(results):
    compared = seekcli.compare(results)
    assert list(compared.to_frame()["model"]) == ["resnet8", "resnet8", "resnet14"]
    assert len(compared.differences())
    said = CliRunner().invoke(app, ["compare", str(results), "--format", "json"])
    assert json.loads(said.stdout)["cells"] == json.loads(json.dumps(compared.to_dict()["cells"]))
    assert "resnet8-to-14" in str(compared)
    assert len(seekcli.compare(results, where=["schedule=base"]).to_frame()) == 1


def test_report_writes_the_page(results, tmp_path, monkeypatch):
    outline_pictures(monkeypatch)
    written = seekcli.report(results, tmp_path / "page.html", title="My runs")
    assert "My runs" in written.read_text(encoding="utf-8")


def test_bad_input_is_raised(tmp_path):
    for call in (
        lambda: seekcli.train("resnet8-to-15", out=tmp_path / "x"),
        lambda: seekcli.train(settings={"train.epoch": 1}, out=tmp_path / "x"),
        lambda: seekcli.compare(tmp_path / "x"),
        lambda: seekcli.report(tmp_path, tmp_path / "page.txt"),
    ):
        with pytest.raises(BadInput):
            call()
    assert list(tmp_path.iterdir()) == []


def test_importing_seekcli_imports_nothing_heavy():
    code = "import seekcli, sys; dir(seekcli); print([n for n in ('torch', 'pandas', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_of_the_same_name_is_still_one():
    code = (
        "import seekcli.train.progress as t, seekcli.report.text; import seekcli; from seekcli.train import length; "
        "assert seekcli.train.progress is t and callable(seekcli.train) and callable(seekcli.report)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
