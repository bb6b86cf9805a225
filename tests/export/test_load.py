"""Loading an export in three lines, and refusing what is not whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from finished_runs import make_run, trained_model

from seekcli.errors import BadInput
from seekcli.export.card_files import find_cards, is_export
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.export.load import load_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and what is exported of it."""
    folder = tmp_path_factory.mktemp("made")
    export_run(open_run(make_run(folder)), ("base", "motivated"), folder / "exports")
    return folder


@pytest.fixture
def exports(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "exports"


@pytest.mark.parametrize("suffix", ["", ".json", ".safetensors"])
def test_the_loaded_model_gives_the_logits_of_the_trained_one(exports: Path, suffix: str) -> None:
    model, card = load_model(exports / f"resnet14-motivated{suffix}")
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = trained_model("resnet14", 0)(card.normalise(images))
        assert torch.equal(model(card.normalise(images)), expected)
    assert not model.training


def test_a_moved_export_needs_nothing_of_its_run(exports: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("resnet8-base.json", "resnet8-base.safetensors"):
        (exports / name).rename(moved / name)
    assert load_model(str(moved))[1].model == "resnet8"


def test_a_folder_of_several_models_asks_which(exports: Path) -> None:
    assert [path.name for path in find_cards(exports)] == ["resnet14-motivated.json", "resnet8-base.json"]
    with pytest.raises(BadInput, match=r"name one, .*resnet14-motivated\.json or .*resnet8-base\.json"):
        load_model(exports)


@pytest.mark.parametrize("position", [100, -1])
def test_one_changed_byte_is_found(exports: Path, position: int) -> None:
    path = exports / "resnet8-base.safetensors"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"resnet8-base\.safetensors is damaged"):
        load_model(exports / "resnet8-base")


def test_weights_under_another_card_are_found(exports: Path) -> None:
    (exports / "resnet14-motivated.safetensors").rename(exports / "resnet8-base.safetensors")
    with pytest.raises(BadInput, match="not the file that was recorded"):
        load_model(exports / "resnet8-base")


def test_missing_weights_are_named(exports: Path) -> None:
    (exports / "resnet8-base.safetensors").unlink()
    with pytest.raises(BadInput, match=r"resnet8-base\.safetensors does not exist"):
        load_model(exports / "resnet8-base")


def test_missing_cards_are_named(exports: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no exported model at .*resnet9-base"):
        load_model(exports / "resnet9-base")
    with pytest.raises(BadInput, match="holds no exported model"):
        load_model(tmp_path)


def test_a_card_of_other_classes_does_not_fit_the_weights(exports: Path) -> None:
    path = exports / "resnet8-base.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card |= {"classes": 3, "class_names": ["a", "b", "c"]}
    del card["sha256"]  # as an earlier version wrote it
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BadInput, match=r"with 3 classes: fc\.weight is float32 \(10, 64\), not float32 \(3, 64\)"):
        load_model(path)


def test_a_model_that_this_version_does_not_know_is_refused(exports: Path) -> None:
    path = exports / "resnet8-base.json"
    card = json.loads(path.read_text(encoding="utf-8").replace('"resnet8"', '"resnet9"'))
    del card["sha256"]
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BadInput, match="unknown model 'resnet9'"):
        load_model(path)


def test_loading_leaves_torch_s_random_state_alone(exports: Path) -> None:
    before = torch.get_rng_state()
    load_model(exports / "resnet8-base")
    assert torch.equal(torch.get_rng_state(), before)


def test_exports_are_told_from_runs_and_from_nothing(exports: Path, tmp_path: Path) -> None:
    run = next((tmp_path / "runs").iterdir())
    yes = [exports, exports / "resnet8-base", exports / "resnet8-base.json", exports / "resnet8-base.safetensors"]
    no = [run, run / "base.safetensors", tmp_path / "nothing", tmp_path]
    assert [path for path in yes if not is_export(path)] == []
    assert [path for path in no if is_export(path)] == []
    (run / "config.json").unlink()  # a damaged run is told as that, and not as a folder without exports
    assert not is_export(run)
