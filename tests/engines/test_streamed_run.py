"""A run over streamed images: worker processes change no row and no byte, a stop leaves none of them behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from photo_tree import photo_tree
from tiny import tiny
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.run import train_run
from seekcli.errors import RunFailed, Stopped
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.progress import Progress


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_tree(tmp_path_factory.mktemp("imagenet") / "photos")


def streamed(root: Path, **changes: Any) -> Resolved:
    """Seven steps an epoch, two epochs."""
    settings: dict[str, Any] = {
        "data__name": f"imagenet:{root}", "data__image_size": 16, "data__train_size": 12, "train__epochs": 2,
        "augment__resized_crop_area": 0.08, "augment__flip": True,
    }  # fmt: skip
    return tiny(**settings | changes)


def content(results: Path, resolved: Resolved) -> tuple[Any, ...]:
    """All that two equal runs must share."""
    folder = RunFolder.of(results, resolved.config).path
    rows = [
        {name: value for name, value in row.items() if name not in records.MEASURED_COLUMNS}
        for row in records.read_epochs(folder / records.EPOCHS)
    ]
    models = {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
    assert len(models) == 2
    return rows, records.read_steps(folder / records.STEPS), models


class StopAfter(Progress):
    def __init__(self, steps: int) -> None:
        self.steps, self.taken = steps, 0

    def stepped(self, epoch: int, steps_done: int, role: str, loss: float, images: int) -> None:
        self.taken += 1

    def reason(self) -> str | None:
        return "test" if self.taken >= self.steps else None


def test_workers_and_stops_change_no_row_and_no_byte(tree: Path, tmp_path: Path) -> None:
    alone, helped = streamed(tree), streamed(tree, runtime__workers=2)
    assert run_id(alone.config) == run_id(helped.config)
    train_run(alone, tmp_path / "alone")
    expected = content(tmp_path / "alone", alone)
    train_run(helped, tmp_path / "helped")
    assert content(tmp_path / "helped", helped) == expected
    # Stopped in the middle of the first epoch with workers and of the second without, and finished with them.
    for resolved, steps in ((helped, 3), (alone, 7)):
        stop = StopAfter(steps)
        with pytest.raises(Stopped):
            train_run(resolved, tmp_path / "stopped", stop, stop_requested=stop.reason)
        assert multiprocessing.active_children() == []
    train_run(helped, tmp_path / "stopped")
    assert content(tmp_path / "stopped", helped) == expected


def test_a_broken_picture_fails_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    tree = photo_tree(tmp_path / "photos")
    broken = tree / "val" / "n02102040" / "n02102040_1.JPEG"
    broken.write_bytes(b"\xff" * broken.stat().st_size)
    resolved = streamed(tree, runtime__workers=2)
    with pytest.raises(RunFailed, match=r"cannot read the image .*val/n02102040/n02102040_1\.JPEG"):
        train_run(resolved, tmp_path / "results")
    status = records.read_status(RunFolder.of(tmp_path / "results", resolved.config).path)
    assert status.state == "failed"
    assert "n02102040_1.JPEG" in str(status.message)
    assert multiprocessing.active_children() == []


def test_an_export_evaluates_to_the_recorded_accuracy_with_the_same_part_of_each_picture_in_view(
    tree: Path, tmp_path: Path
) -> None:
    resolved = streamed(tree, train__epochs=1, data__test_crop=0.6)
    train_run(resolved, tmp_path / "results")
    export_run(open_run(RunFolder.of(tmp_path / "results", resolved.config).path), ["base"], tmp_path / "export")
    words = ["evaluate", str(tmp_path / "export"), "--data", f"imagenet:{tree}", "--format", "json"]
    answered = CliRunner().invoke(app, words)
    assert answered.exit_code == 0, answered.output
    (answer,) = json.loads(answered.stdout)
    final = records.read_status(RunFolder.of(tmp_path / "results", resolved.config).path).final[0]
    assert answer["test_accuracy_percent"] == final["test_accuracy_percent"]
    assert answer["test_loss"] == final["test_loss"]


def test_the_command_says_what_it_would_train_and_what_it_cannot(tree: Path, tmp_path: Path) -> None:
    words = ["train", "--model", "resnet18-to-34", "--data", f"imagenet:{tree}", "--workers", "3", "--print-config"]
    shown = CliRunner().invoke(app, words).stdout
    for key, value in {
        "recipe": '"imagenet-a3"', "data.name": '"imagenet:photos"', "data.image_size": "224", "data.train_size": "160",
        "data.test_crop": "0.95", "runtime.workers": "3", "augment.resized_crop_area": "0.08",
    }.items():  # fmt: skip
        assert re.search(rf"^{re.escape(key)} = {re.escape(value)} ", shown, re.MULTILINE), key
    (tmp_path / "flat" / "val").mkdir(parents=True)
    (tmp_path / "flat" / "train").symlink_to(tree / "train")
    words = ["train", "--data", f"imagenet:{tmp_path / 'flat'}", "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "sort them into class folders, val/CLASS/" in refused.stderr
    assert not (tmp_path / "out").exists()


def command(tree: Path, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "seekcli", "train", "--base", "resnet8", "--motivated", "resnet14", "--recipe", "digits",
        "--data", f"imagenet:{tree}", "--image-size", "16", "--device", "cpu", "--batch-size", "4", "--epochs", "2000",
        "--checkpoint-minutes", "60", "--eval-every", "2000", "--progress", "plain", "--workers", "2",
        "--out", str(out),
    ]  # fmt: skip


def processes_of(group: int) -> list[int]:
    """Live processes of a process group (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member = stat.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(member) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_a_signal_to_all_processes_leaves_none_and_prints_no_traceback(
    tree: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """As the terminal's Ctrl-C and a scheduler's SIGTERM do; SIGKILL reaches the main process alone."""
    with subprocess.Popen(
        command(tree, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("runs/*/checkpoint/*")):  # the end of the first epoch
            assert run.poll() is None, run.stderr and run.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1.0)
        if number == signal.SIGKILL:
            os.kill(run.pid, number)
            run.wait()
        else:
            os.killpg(run.pid, number)
            _, errors = run.communicate(timeout=60)
            assert "Traceback" not in errors
            told = [line for line in errors.splitlines() if line and not line.startswith("note: this CPU has bf16")]
            assert len(told) == 1, errors
        assert run.returncode == code
        deadline = time.monotonic() + 20
        while processes_of(run.pid):
            assert time.monotonic() < deadline, processes_of(run.pid)
            time.sleep(0.1)
