"""Runs of earlier versions stay what they are: found under their ids, resumed, compared, exported, evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from old_runs import COMMON, OLD_WORDS, UNFINISHED, stored_ids, unpack
from safetensors.torch import load
from typer.testing import CliRunner

from seekcli.analysis.comparison import compare_runs
from seekcli.cli.app import app
from seekcli.config import identity as identity_module, layers, settings
from seekcli.config.identity import OLD_BEHAVIOUR, older_twins, run_id, stored_config
from seekcli.config.schema import RunConfig
from seekcli.runs.records import read_steps
from seekcli.runs.scan import scan_runs


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only: tests that write unpack their own."""
    return unpack(tmp_path_factory.mktemp("old"))


@pytest.mark.parametrize("kind", stored_ids())
def test_run_ids_of_old_configs_stay(kind: str) -> None:
    stored = stored_ids()[kind]
    assert run_id(stored_config(stored["config"])) == stored["run_id"]


def test_every_setting_that_came_later_has_an_old_behaviour() -> None:
    known = dict(settings.flatten(stored_ids()["classic"]["config"]))
    assert set(layers.DEFAULTS) - set(known) == set(OLD_BEHAVIOUR)


def test_old_behaviour_is_a_setting_that_the_schema_takes() -> None:
    flat = dict(settings.flatten(RunConfig().model_dump())) | OLD_BEHAVIOUR
    assert layers.validate(flat, {})


@pytest.mark.parametrize("init", ["identity", pytest.param("paper", marks=pytest.mark.slow)])
def test_the_old_words_train_the_old_run_again(results: Path, tmp_path: Path, init: str) -> None:
    """The same id, the same first losses and the same weights, to the rounding of another CPU.

    That every bit is Algorithm 1's on the CPU at hand is what train/test_algorithm_1.py holds.
    """
    words = ["train", *COMMON, "--k", "1", "--init", init, *OLD_WORDS, "--set", "runtime.threads=1"]
    done = CliRunner().invoke(app, [*words, "--progress", "json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "runs").glob("resnet8*")
    old = results / "runs" / folder.name
    assert old.is_dir()
    steps, old_steps = (read_steps(each / "steps.parquet") for each in (folder, old))
    assert steps["role"][:5] == old_steps["role"][:5]
    assert steps["loss"][:5] == pytest.approx(old_steps["loss"][:5], rel=1e-3)
    for role in ("base", "motivated"):
        again, then = (load((each / f"{role}.safetensors").read_bytes()) for each in (folder, old))
        assert again.keys() == then.keys()
        if steps["role"] == old_steps["role"]:  # a loss that nearly stays the same may fall on one CPU alone
            parameters = [name for name in then if "running_" not in name]  # rounding grows to 0.07 in the variances
            assert all(torch.allclose(again[name].float(), then[name].float(), atol=0.05) for name in parameters)


@pytest.mark.parametrize("words", [["--schedule", "base"], ["--schedule", "motivated"], ["--k", "1"]])
def test_finished_runs_are_found_by_the_words_of_then(results: Path, words: list[str]) -> None:
    done = CliRunner().invoke(app, ["train", *COMMON, *words, *OLD_WORDS, "--out", str(results)])
    assert done.exit_code == 0, done.output
    assert "this run was finished before" in done.stderr


def test_an_unfinished_run_is_resumed_to_its_end(tmp_path: Path) -> None:
    results = unpack(tmp_path)
    words = ["--k", "1", "--init", "paper", "--seed", "1", *OLD_WORDS, "--progress", "plain"]
    done = CliRunner().invoke(app, ["train", *COMMON, *words, "--out", str(results)])
    assert done.exit_code == 0, done.output
    status = json.loads((results / "runs" / UNFINISHED / "status.json").read_text())
    assert (status["state"], status["steps_done"]) == ("finished", 20)


def test_all_are_compared_as_they_were(results: Path) -> None:
    comparison = compare_runs(scan_runs([results]))
    assert comparison.runs_finished == 6
    (full,) = [cell for cell in comparison.cells if cell.arms]
    assert [group.name for group in full.groups] == ["X-C", "X-Y-B", "X-Y-M", "X-Y-B", "X-Y-M", "Y-C"]
    assert [round(group.final.mean, 2) for group in full.groups] == [38.89, 32.5, 33.06, 38.33, 40.0, 19.44]


def test_finished_runs_are_exported_and_exports_evaluated(results: Path, tmp_path: Path) -> None:
    for folder in sorted((results / "runs").iterdir()):
        if folder.name == UNFINISHED:
            continue
        done = CliRunner().invoke(app, ["export", str(folder), "--to", str(tmp_path / folder.name)])
        assert done.exit_code == 0, done.output
    export = results.parent / "exports" / "base" / "resnet8-base"
    done = CliRunner().invoke(app, ["evaluate", str(export), "--data", "digits", "--format", "json"])
    assert done.exit_code == 0, done.output


def test_a_twin_of_a_new_run_is_named_with_the_words_that_go_on_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As if old programs had known no weight decay but 5e-4, and today's default were another."""
    monkeypatch.setitem(OLD_BEHAVIOUR, "optimizer.weight_decay", 0.0005)
    monkeypatch.setitem(layers.DEFAULTS, "optimizer.weight_decay", 0.001)
    words = ["train", *COMMON, *OLD_WORDS, "--out", str(tmp_path), "--dry-run"]
    old = CliRunner().invoke(app, words).output.split()[1]
    (tmp_path / "runs" / old).mkdir(parents=True)
    (tmp_path / "runs" / old / "config.json").write_text("{}")
    note = f"made this run as {old}; `--set optimizer.weight_decay=0.0005` goes on with that one"
    assert note in CliRunner().invoke(app, [*words, "--set", "optimizer.weight_decay=0.001"]).output


def test_a_setting_that_a_stored_config_lacks_stands_at_its_old_behaviour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OLD_BEHAVIOUR, "optimizer.weight_decay", 0.25)
    stored = stored_ids()["classic"]["config"]
    del stored["optimizer"]["weight_decay"]
    old = stored_config(stored)
    assert old.optimizer.weight_decay == 0.25
    assert "optimizer.weight_decay" not in identity_module.run_key(old)
    assert not list(older_twins(old))


def test_a_rule_that_a_recipe_has_today_has_a_twin_by_the_rule_of_then() -> None:
    new = layers.merge([("recipe", layers.load_recipe("cifar-vit"))]).config
    values = [values for _, values in older_twins(new)]
    assert values[0] == {"augment.erasing_rule": "clipped"}
    assert values[-1]["augment.randaugment_policy"] == "torchvision"
    explicit = layers.merge([("test", {"lr_schedule.name": "wsd", "lr_schedule.decay_fraction": 0.3})]).config
    assert all("lr_schedule.decay_fraction" not in values for _, values in older_twins(explicit))
