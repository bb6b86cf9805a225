"""`seek doctor`: each finding is looked up on this machine, what is wrong is named, and nothing is left behind."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from labelled_sets import as_npz, as_shards, as_tables, both_splits
from PIL import Image
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.engines import doctor


def answers(*words: str, exit_code: int = 0) -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["doctor", *words, "--format", "json"])
    assert done.exit_code == exit_code, (done.output, done.exception)
    return list(json.loads(done.stdout))


def test_a_machine_that_works_has_nothing_wrong_and_keeps_nothing(tmp_path: Path) -> None:
    found = answers("--out", str(tmp_path / "new" / "results"), "--data-dir", str(tmp_path))
    assert [finding for finding in found if finding["state"] == "wrong"] == []
    texts = [finding["text"] for finding in found]
    assert any(text.startswith(f"seekcli {seekcli.__version__}") for text in texts)
    assert f"torch {metadata.version('torch')}" in texts
    assert "digits: bundled" in texts
    assert {finding["topic"] for finding in found} >= {"versions", "devices", "data", "disk", "file locks"}
    assert list(tmp_path.iterdir()) == []


def test_every_extra_is_told_and_what_is_missing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = {extra: [re.split("[<>=]", one)[0] for one in declared[extra]] for extra in declared}
    assert {extra: [*of] for extra, of in doctor.EXTRAS.items()} == {
        extra: of for extra, of in names.items() if extra not in ("test", "dev")
    }
    there = {"onnx": "1.2", "onnxscript": "3", "ray": "4.5"}

    def version(name: str) -> str:
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(metadata, "version", version)
    assert [(finding.state, finding.text) for finding in doctor.extras()] == [
        ("note", "onnx: onnxruntime not installed: pip install 'seekcli[onnx]'"),
        ("note", "slurm: submitit not installed: pip install 'seekcli[slurm]'"),
        ("ok", "ray: ray 4.5"),
        *(
            ("note", f"{name}: {name} not installed: pip install 'seekcli[{name}]'")
            for name in ("tensorboard", "wandb", "mlflow", "trackio")
        ),
    ]


def test_data_sets_are_found_where_torchvision_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python.tar.gz").touch()
    found = {finding.text.partition(":")[0]: finding for finding in doctor.data_sets(tmp_path)}
    assert found["cifar100"].state == "ok"
    assert found["cifar10"].state == "note"


def test_a_torchvision_for_another_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy", "torch (==1.9.0)"])
    finding = doctor.torch_and_torchvision()
    assert finding.state == "wrong"
    assert "was built for torch 1.9.0" in finding.text


def test_a_folder_that_cannot_hold_results_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = answers("--out", str(tmp_path / "file" / "results"), exit_code=1)
    assert {finding["topic"] for finding in found if finding["state"] == "wrong"} == {"disk", "file locks"}


def test_every_broken_image_is_named_at_once(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(2):
                Image.new("RGB", (20, 20), (index, 0, 0)).save(tmp_path / split / name / f"{index}.png")
    broken = [tmp_path / "train" / "a" / "1.png", tmp_path / "test" / "b" / "0.png"]
    for path in broken:
        path.write_text("no image")
    for index in range(3):
        (tmp_path / "train" / "a" / f"{index}.HEIC").write_text("")
    *wrong, last, layout = answers("--data", f"folder:{tmp_path}", exit_code=1)
    assert {path for path in broken for finding in wrong if str(path) in finding["text"]} == set(broken)
    assert last["text"] == "6 of 8 image files can be read, 2 classes (a, b)"
    assert layout["state"] == "note"
    assert layout["text"].endswith("as given; 3 files that are no images (or hidden) left out (a: 3 .heic)")


def test_images_inside_other_files_are_examined_too(tmp_path: Path) -> None:
    splits = both_splits()
    splits["test"][1] = splits["test"][1]._replace(png=b"no image")
    for kind, root in {"hf": as_tables(tmp_path / "t", splits), "wds": as_shards(tmp_path / "s", splits)}.items():
        broken, readable, _ = answers("--data", f"{kind}:{root}", exit_code=1)
        where = "data-00000-of-00001.arrow: row 1" if kind == "hf" else "test-000.tar/0001.png"
        assert broken["text"].endswith(f"{where}: it is damaged, or no image")
        assert readable["text"] == "17 of 18 image files can be read, 3 classes (cat, dog, emu)"


@pytest.mark.parametrize("name", ["digits", "npz"])
def test_only_image_files_can_be_examined(tmp_path: Path, name: str) -> None:
    data = f"npz:{as_npz(tmp_path / 'a.npz', both_splits())}" if name == "npz" else name
    done = CliRunner().invoke(app, ["doctor", "--data", data])
    assert done.exit_code == 2
    assert "expected folder:DIR, imagenet:DIR, hf:DIR or wds:PATTERN, whose image files" in done.output
