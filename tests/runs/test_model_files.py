"""Model files of finished runs: a cut one and a flipped byte are named; without a digest nothing is called damaged."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import error_of, seek
from documents import rewrite
from finished_runs import make_run

from seekcli.errors import BadInput, DamagedRun
from seekcli.runs import records
from seekcli.runs.checkpoint import save_checkpoint
from seekcli.runs.checkpoint_files import check_checkpoint
from seekcli.runs.folder import RunFolder
from seekcli.runs.model_files import check_model_files, sizes
from seekcli.runs.quick_check import QuickCheck, problem_of_sizes

TINY = ("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--schedule", "base")
TINY += ("--epochs", "1", "--batch-size", "12", "--device", "cpu", "--progress", "plain")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert seek(*TINY, "--out", out).exit_code == 0
    return out


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_finished_run_with_a_damaged_model_file_is_not_done(trained: Path, damage) -> None:  # type: ignore[no-untyped-def]
    (run,) = (trained / "runs").iterdir()
    path = run / "base.safetensors"
    good = path.read_bytes()
    assert seek(*TINY, "--out", trained).exit_code == 0
    damage(path)
    try:
        said = error_of(seek(*TINY, "--out", trained))
        assert said.startswith(f"{path} is damaged")
        assert "--fresh" in said
        compared = error_of(seek("compare", trained))
        assert compared.startswith(f"{path} is damaged")
        assert "--fresh" in compared
        if damage is cut:  # a plan reads no model file, and sees their sizes
            assert "damaged" in seek(*TINY, "--dry-run", "--out", trained).stdout
    finally:
        path.write_bytes(good)
    assert seek(*TINY, "--out", trained).exit_code == 0


def test_without_a_recorded_digest_a_run_is_done_and_cannot_be_verified(trained: Path) -> None:
    (run,) = (trained / "runs").iterdir()
    status = (run / records.STATUS).read_bytes()
    path = run / "base.safetensors"
    good = path.read_bytes()
    rewrite(run / records.STATUS, weights_sha256={})
    flip(path)
    try:
        done = seek(*TINY, "--out", trained)
        assert done.exit_code == 0
        assert "base.safetensors cannot be verified: no digest was recorded" in done.stderr
        assert "damaged" not in done.output + seek("compare", trained).output
    finally:
        (run / records.STATUS).write_bytes(status)
        path.write_bytes(good)
    assert "verified" not in seek(*TINY, "--out", trained).output


def test_the_size_is_what_the_header_says(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    status, path = records.read_status(run), run / "motivated.safetensors"
    assert sizes(path) == (path.stat().st_size, path.stat().st_size)
    check_model_files(run, status, whole=True)
    assert RunFolder.open(run).unverifiable_note() is None
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BadInput, match=r"motivated\.safetensors is damaged: .* and its header says"):
        check_model_files(run, status, whole=False)
    for text in (b"", b"\xff" * 8, b"\x05\x00\x00\x00\x00\x00\x00\x00{}", b"{"):
        path.write_bytes(text)
        with pytest.raises(BadInput, match=r"motivated\.safetensors is "):
            check_model_files(run, status, whole=False)


def test_many_runs_are_checked_by_size_and_some_by_digest(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    status, path = records.read_status(run), run / "base.safetensors"
    flip(path)
    assert "sha256 differs" in str(QuickCheck().problem(run, status))
    assert QuickCheck(most_bytes=1000).problem(run, status) is None
    cut(path)
    assert "its header says" in str(problem_of_sizes(run, status))
    path.unlink()  # published runs have no models
    assert QuickCheck().problem(run, status) is None is problem_of_sizes(run, status)


def test_a_thousand_runs_are_checked_in_no_time(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    status, check = records.read_status(run), QuickCheck()
    before_seconds = time.process_time()
    assert {check.problem(run, status) for _ in range(1000)} == {None}
    assert time.process_time() - before_seconds < 1.0
    assert json.loads((run / records.STATUS).read_text(encoding="utf-8"))["weights_sha256"]


@pytest.mark.parametrize("name", ["environment.json", "checkpoint"])
def test_what_no_number_hangs_on_is_checked_too(trained: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    folder = RunFolder(run)
    path = folder.environment_path if name == "environment.json" else folder.checkpoints()[-1]
    cut(path)
    with pytest.raises(DamagedRun, match=re.escape(path.name)):
        folder.finished_status()


@pytest.mark.parametrize("place", [3, 40, 0.05, 0.5, -1])
def test_a_flipped_byte_of_the_checkpoint_is_seen_wherever_it_is(trained: Path, tmp_path: Path, place: float) -> None:
    """In the length of the header, in the header, the plain state and the tensors."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    folder, status = RunFolder(run), records.read_status(run)
    assert folder.finished_status() is not None
    path = folder.checkpoints()[-1]
    data = bytearray(path.read_bytes())
    data[place if isinstance(place, int) else int(place * len(data))] ^= 16
    path.write_bytes(data)
    for problem in (refusal(folder), str(QuickCheck().problem(run, status))):
        assert f"{path} is damaged" in problem
    path.unlink()
    assert folder.finished_status() is not None, "the run is whole without it"


def refusal(folder: RunFolder) -> str:
    with pytest.raises(DamagedRun) as refused:
        folder.finished_status()
    return str(refused.value)


def test_a_damaged_checkpoint_is_named_by_train_and_compare(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    path = RunFolder(run).checkpoints()[-1]
    flip(path)
    for said in (error_of(seek(*TINY, "--out", tmp_path)), error_of(seek("compare", tmp_path))):
        assert said.startswith(f"{path} is damaged: its content does not match its sha256; ")
        assert "--extend" in said
    assert QuickCheck(most_bytes=0).problem(run, records.read_status(run)) is None, "of many runs some are read"


def test_the_digest_of_a_file_is_that_of_its_tensors(tmp_path: Path) -> None:
    """Of every type that torch and safetensors share and a run may hold; scalars, nothing, and NaN in the state."""
    types = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.uint8)
    types += (torch.int8, torch.int16, torch.int32, torch.int64)
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in types}
    tensors |= {"scalar": torch.tensor(3.0), "empty": torch.zeros(0, 4), "long": torch.rand(300_000)}
    path = save_checkpoint(tmp_path, 7, tensors, {"loss": float("nan"), "x": [1, {"y": 0.1}]}, "run-1")
    check_checkpoint(path, "run-1")
    with pytest.raises(BadInput, match="belongs to another run, run-1"):
        check_checkpoint(path, "run-2")


@pytest.mark.parametrize("name", [records.STEPS, records.CLASSES])
def test_tables_of_many_runs_are_checked_by_digest_too(trained: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    status = records.read_status(run)
    assert QuickCheck().problem(run, status) is None is problem_of_sizes(run, status)
    flip(run / name)
    assert name in str(QuickCheck().problem(run, status))
    assert QuickCheck(most_bytes=0).problem(run, status) is None


@pytest.mark.parametrize("name", [records.STATUS, records.CONFIG, records.EPOCHS])
def test_export_of_a_run_with_a_damaged_file_says_what_helps(trained: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    cut(run / name)
    said = error_of(seek("export", run, "--to", tmp_path / "exports"))
    assert str(run / name) in said
    assert "--fresh" in said
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize("name", [records.STATUS, records.CONFIG, records.EPOCHS, records.ENVIRONMENT])
def test_compare_of_a_run_with_a_damaged_file_says_what_helps(trained: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    flip(run / name)
    said = error_of(seek("compare", tmp_path))
    assert str(run / name) in said
    assert said.count("--fresh") == 1
