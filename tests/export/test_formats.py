"""Writing an export: what is there afterwards, that it is proven first, and that nothing is lost or half-written."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_runs import make_run, trained_model
from safetensors.torch import load_file, save_file

from seekcli import files
from seekcli.errors import BadInput, RunFailed
from seekcli.export import formats
from seekcli.export.card import read_card
from seekcli.export.finished_run import open_run
from seekcli.export.formats import Exported, export_run
from seekcli.runs import records

BOTH = ("base", "motivated")


def exported(results: Path, to: Path, **options: Any) -> list[Exported]:
    return export_run(open_run(make_run(results)), BOTH, to, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_each_model_is_a_weights_file_and_a_card(tmp_path: Path) -> None:
    exported(tmp_path, tmp_path / "exports")
    assert sorted(contents(tmp_path / "exports")) == [
        "resnet14-motivated.json",
        "resnet14-motivated.safetensors",
        "resnet8-base.json",
        "resnet8-base.safetensors",
    ]


def test_the_written_tensors_are_those_of_the_run(tmp_path: Path) -> None:
    base, _ = exported(tmp_path, tmp_path / "exports")
    own, written = trained_model("resnet8", 0).state_dict(), load_file(base.weights_path)
    assert own.keys() == written.keys()
    assert all(torch.equal(own[name], written[name]) for name in own)


def test_the_card_on_disk_describes_the_weights(tmp_path: Path) -> None:
    base, _ = exported(tmp_path, tmp_path / "exports")
    card, data = read_card(base.card_path), base.weights_path.read_bytes()
    assert card == base.card
    assert card.weights.sha256 == hashlib.sha256(data).hexdigest()
    assert (card.weights.file, card.weights.bytes) == ("resnet8-base.safetensors", len(data))
    assert card.weights.parameters == sum(parameter.numel() for parameter in trained_model("resnet8", 0).parameters())


def test_the_same_export_again_writes_the_same_bytes(tmp_path: Path) -> None:
    exported(tmp_path, tmp_path / "exports")
    before = contents(tmp_path / "exports")
    exported(tmp_path, tmp_path / "exports")
    assert contents(tmp_path / "exports") == before


@pytest.mark.parametrize("name", ["resnet14-motivated.safetensors", "resnet14-motivated.json"])
def test_files_in_the_way_are_kept_unless_told(tmp_path: Path, name: str) -> None:
    to = tmp_path / "exports"
    to.mkdir()
    (to / name).write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match=f"{name} exists and .*--overwrite"):
        exported(tmp_path, to)
    assert contents(to) == {name: b"mine"}
    exported(tmp_path, to, overwrite=True)
    assert len(contents(to)) == 4
    assert contents(to)[name] != b"mine"


def test_the_export_of_another_seed_is_in_the_way(tmp_path: Path) -> None:
    exported(tmp_path, tmp_path / "exports")
    with pytest.raises(BadInput, match="holds other weights"):
        export_run(open_run(make_run(tmp_path, seed=1)), BOTH, tmp_path / "exports")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-100],
        lambda data: b"",
        lambda data: data[:8] + b"x" + data[9:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),  # one bit of one weight
        None,
    ],
)
def test_a_damaged_model_file_is_named_and_nothing_is_written(tmp_path: Path, damage: Any) -> None:
    run = make_run(tmp_path)
    path = run / "motivated.safetensors"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadInput, match=r"motivated\.safetensors (is damaged|does not exist)"):
        export_run(open_run(run), BOTH, tmp_path / "exports")
    assert not (tmp_path / "exports").exists()


def test_the_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "base.safetensors").write_bytes((run / "motivated.safetensors").read_bytes())
    with pytest.raises(BadInput, match=r"base\.safetensors is damaged, or is not the file that was .* with --fresh"):
        export_run(open_run(run), BOTH, tmp_path / "exports")
    # Of a run that recorded no digests the shapes still tell.
    records.write_status(run, records.read_status(run).model_copy(update={"weights_sha256": {}}))
    with pytest.raises(BadInput, match=r"base\.safetensors does not fit resnet8: layer1\.1.* is not in resnet8"):
        export_run(open_run(run), BOTH, tmp_path / "exports")


def test_a_written_file_that_is_not_the_run_s_fails_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_wrong(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        save_file(tensors | {"fc.bias": tensors["fc.bias"] + 1e-6}, path, metadata=metadata)

    monkeypatch.setattr(formats, "save_file", save_wrong)
    with pytest.raises(RunFailed, match="what was read back differs"):
        exported(tmp_path, tmp_path / "exports")
    assert contents(tmp_path / "exports") == {}


def test_a_freshly_built_model_with_other_logits_fails_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same bytes, other answer: say, a builder that changed since the run."""
    build = formats.build_from_card

    def build_another(*arguments: Any) -> Any:
        model = build(*arguments)
        model.fc.bias.data += 1e-3
        return model

    monkeypatch.setattr(formats, "build_from_card", build_another)
    with pytest.raises(RunFailed, match=r"logits differ from the run's by up to 0\.001"):
        exported(tmp_path, tmp_path / "exports")
    assert contents(tmp_path / "exports") == {}


@pytest.mark.parametrize(
    ("name", "value", "kind", "problem"),
    [
        ("fc.bias", torch.nan, BadInput, r"base\.safetensors cannot be used: fc\.bias holds NaN or infinity"),
        ("bn1.running_var", torch.inf, BadInput, r"base\.safetensors cannot be used: bn1\.running_var holds NaN"),
        ("fc.weight", 3e38, RunFailed, "non-finite logits"),
    ],
)
def test_a_model_that_gives_no_numbers_is_not_exported(
    tmp_path: Path, name: str, value: float, kind: type[Exception], problem: str
) -> None:
    run = make_run(tmp_path)
    tensors = load_file(run / "base.safetensors")
    save_file(tensors | {name: torch.full_like(tensors[name], value)}, run / "base.safetensors")
    digest = hashlib.sha256((run / "base.safetensors").read_bytes()).hexdigest()
    records.write_status(run, records.read_status(run).model_copy(update={"weights_sha256": {"base": digest}}))
    with pytest.raises(kind, match=problem):
        export_run(open_run(run), ("base",), tmp_path / "exports")
    assert contents(tmp_path / "exports") == {}


def test_a_card_that_cannot_be_written_leaves_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *content: Any) -> None:
        raise RunFailed(f"cannot write {path}: No space left on device")

    run = open_run(make_run(tmp_path))
    monkeypatch.setattr(files, "write_json", refuse)
    with pytest.raises(RunFailed, match=r"resnet8-base\.json: No space left"):
        export_run(run, BOTH, tmp_path / "exports")
    assert contents(tmp_path / "exports") == {}


@pytest.mark.parametrize("to", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_bad_input(tmp_path: Path, to: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=r"--to .*file is not a folder"):
        exported(tmp_path, tmp_path / to)


def test_a_folder_in_the_place_of_the_model_card_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "e" / "README.md").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"--to .*README\.md is a folder, and the model card has that name"):
        exported(tmp_path, tmp_path / "e")
    assert [path.name for path in (tmp_path / "e").iterdir()] == ["README.md"]


def test_a_folder_that_cannot_be_written_to_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    # Root, who runs the tests in many containers, may write anywhere: the answer of the system is given by hand.
    monkeypatch.setattr(formats.os, "access", lambda path, mode: Path(path) != tmp_path / "locked")
    with pytest.raises(BadInput, match=r"--to .*locked is not writable"):
        exported(tmp_path, tmp_path / "locked" / "exports")
    assert contents(tmp_path / "locked") == {}


def test_a_full_disk_is_bad_input_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, needed_bytes: int) -> None:
        raise BadInput(f"not enough disk at {path}: needs {needed_bytes}")

    monkeypatch.setattr(files, "require_free_bytes", full)
    with pytest.raises(BadInput, match="not enough disk"):
        exported(tmp_path, tmp_path / "exports")
    assert not (tmp_path / "exports").exists()


def test_exporting_leaves_torch_s_random_state_alone(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path))
    before = torch.get_rng_state()
    export_run(run, BOTH, tmp_path / "exports")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_card_is_readable_json_with_the_issue_s_facts(tmp_path: Path) -> None:
    base, _ = exported(tmp_path, tmp_path / "exports")
    card = json.loads(base.card_path.read_text(encoding="utf-8"))
    assert card["model"] == "resnet8"
    assert card["input"]["image_size"] == 8
    assert "255" in card["input"]["scale"]
    assert card["result"]["test_accuracy_percent"] == 97.5
    assert "2602.21064" in card["citation"]


def test_others_may_read_what_is_exported(tmp_path: Path) -> None:
    """safetensors itself makes its files readable for their owner alone."""
    exported(tmp_path, tmp_path / "exports")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "exports").iterdir()} == {0o666 & ~files.UMASK}
