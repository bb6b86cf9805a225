"""Runs over the same pictures in folders, arrays, tables and shards: the same weights, bit for bit, and one way on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_sets import CLASSES, as_folder, as_npz, as_shards, as_tables, both_splits
from resumed_runs import content, train_in_pieces
from tiny import tiny
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.layers import Resolved
from seekcli.data.sets.kinds import KINDS
from seekcli.engines.run import train_run
from seekcli.errors import BadInput
from seekcli.runs.folder import RunFolder

SPLITS = both_splits()
CROP: dict[str, Any] = {"augment__resized_crop_area": 0.3}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sets")
    folder = as_folder(root / "folder", SPLITS)
    npz, hf = as_npz(root / "set.npz", SPLITS), as_tables(root / "tables", SPLITS)
    return {"folder": folder, "imagenet": folder, "npz": npz, "hf": hf, "wds": as_shards(root / "shards", SPLITS)}


def planned(sets: dict[str, Path], kind: str, **changes: Any) -> Resolved:
    """One epoch of three steps."""
    own = {"data__name": f"{kind}:{sets[kind]}", "data__image_size": 8, "train__epochs": 1, "augment__flip": True}
    return tiny(**{"schedule": "base"} | own | changes)


def seek(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def runs(sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run over each."""
    results = tmp_path_factory.mktemp("results")
    found = {}
    for kind in sets:
        resolved = planned(sets, kind, **CROP if kind in ("imagenet", "wds") else {})
        train_run(resolved, results)
        found[kind] = RunFolder.of(results, resolved.config).path
    return found


@pytest.mark.parametrize(("first", "others"), [("folder", ("npz", "hf")), ("imagenet", ("wds",))])
def test_the_same_pictures_give_the_same_weights(runs: dict[str, Path], first: str, others: tuple[str, ...]) -> None:
    """Those in memory among each other, and those that are streamed: these are cut and normalised in another way."""
    rows, steps, models, totals = content(runs[first])
    assert len(models) == 1
    for kind in others:
        found = content(runs[kind])
        assert found[2:] == (models, totals)
        assert {key for key in steps if steps[key] != found[1][key]} == {"run_id"}
        assert {key for row, other in zip(rows, found[0], strict=True) for key in row if row[key] != other[key]} == {
            "data",
            "run_id",
        }


def test_a_run_over_shards_goes_on_at_a_step(sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path) -> None:
    resolved = planned(sets, "wds", **CROP)
    assert train_in_pieces(resolved, tmp_path, 2) == 1
    assert content(RunFolder.of(tmp_path, resolved.config).path) == content(runs["wds"])


@pytest.mark.slow
def test_workers_change_nothing(sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path) -> None:
    resolved = planned(sets, "wds", **CROP, runtime__workers=2)
    assert train_in_pieces(resolved, tmp_path, 2) == 1
    assert content(RunFolder.of(tmp_path, resolved.config).path) == content(runs["wds"])


def test_what_changed_is_another_run_and_ends_one_that_goes_on(sets: dict[str, Path], tmp_path: Path) -> None:
    file = Path(shutil.copy(sets["npz"], tmp_path / "mine.npz"))
    resolved = planned({"npz": file}, "npz")
    as_npz(file, SPLITS, class_names=np.array(["a", "b", "c"]))
    with pytest.raises(BadInput, match=r"mine\.npz: its files are not those that this run was made for"):
        train_run(resolved, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    assert planned({"npz": file}, "npz").config.data.fingerprint != resolved.config.data.fingerprint


@pytest.mark.parametrize("kind", ["npz", "hf", "wds"])
def test_a_model_is_evaluated_on_each(sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Of its own run: the recorded accuracy, also from a copy. Of another: every image."""
    copied = shutil.copytree if sets[kind].is_dir() else shutil.copy
    moved = copied(sets[kind], tmp_path / sets[kind].name)
    (own,) = json.loads(seek("evaluate", runs[kind], "--data", f"{kind}:{moved}", "--format", "json"))
    assert own["equals_recorded"] is True
    assert own["images_taken"].startswith("the run's own data, its test split: train and test as given")
    (other,) = json.loads(seek("evaluate", runs["folder"], "--data", f"{kind}:{moved}", "--format", "json"))
    assert (other["test_images"], other["equals_recorded"]) == (18, None)
    assert other["images_taken"].startswith("another set than the run's: all images of t")
    words = "not looked for: images in arrays" if kind == "npz" else "12 of 18 test images are training images too"
    assert other["training_images_among_them"].startswith(words)


@pytest.mark.parametrize("kind", ["npz", "hf", "wds"])
def test_a_plan_a_list_and_an_export_know_it(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    words = ("--model", "resnet8-to-14", "--data", f"{kind}:{sets[kind]}", "--image-size", 8, "--batch-size", 4)
    planned_line = seek("train", *words, "--recipe", "digits", "--dry-run", "--out", tmp_path / "none")
    assert "12 training and 6 test images of 3 classes (cat, dog, emu); train and test as given" in planned_line
    forms = {row["name"] for row in json.loads(seek("list", "data", "--format", "json"))}
    assert {"npz:FILE", "hf:DIR[:IMAGE,LABEL]", "wds:PATTERN"} <= forms
    seek("export", runs[kind], "--role", "base", "--to", tmp_path / "export")
    (card,) = (tmp_path / "export").glob("*.json")
    tree = json.loads(card.read_text())
    assert tree["class_names"] == list(CLASSES)
    assert tree["input"]["test_crop"] == (0.875 if kind == "wds" else None)
    told = seek("evaluate", tmp_path / "export", "--data", f"{kind}:{sets[kind]}", "--format", "json")
    (again,) = json.loads(told)
    assert again["equals_recorded"] is True


@pytest.mark.parametrize(
    ("kind", "part"), [("npz", ""), ("hf", "train/data-00000-of-00001.arrow"), ("wds", "train-001.tar")]
)
def test_half_a_file_ends_the_command_with_one_line(
    sets: dict[str, Path], tmp_path: Path, kind: str, part: str
) -> None:
    copied = shutil.copytree if sets[kind].is_dir() else shutil.copy
    half = Path(copied(sets[kind], tmp_path / sets[kind].name)) / part
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    data = f"{kind}:{tmp_path / sets[kind].name}"
    words = ["train", "--data", data, "--image-size", "8", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"seek: error: --data {data}: ")
    assert half.name in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["npz", "hf", "wds"])
def test_a_run_whose_data_is_gone_says_how_to_name_it(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    away = sets[kind].rename(sets[kind].with_name("away"))
    try:
        done = CliRunner().invoke(app, ["evaluate", str(runs[kind])])
    finally:
        away.rename(sets[kind])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert f"which is gone: --data {KINDS[kind].form} says where it is now" in done.stderr
