"""`torchrun --nproc-per-node 2 -m seekcli train ...` for real, as several test files start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from seekcli.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
TRAIN = ("-m", "seekcli", "train", "--base", "resnet8", "--motivated", "resnet14", "--data", "synthetic:1x8x8:3:30",
         "--batch-size", "4", "--k", "1", "--schedule", "alternating")  # fmt: skip
SECONDS = 180


def started(out: Path, *more: str, launcher: tuple[str, ...] = TORCHRUN) -> subprocess.Popen[str]:
    ours = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    return subprocess.Popen(
        [sys.executable, *launcher, *TRAIN, "--out", str(out), *more],
        env=ours | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, and what it said on stdout and stderr."""
    stdout, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, stdout, stderr


def run_in(out: Path) -> RunFolder:
    """The one run of a results folder."""
    (found,) = [path.parent for path in out.rglob("config.json")]
    return RunFolder(found)
