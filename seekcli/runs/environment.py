"""What a run ran on: versions, device, threads, git commit. Recorded beside the numbers, never part of the run id."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import torch

import seekcli

# Instructions that make bf16 quick on a CPU, by the names of /proc/cpuinfo.
BF16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512"}


def describe_environment(device: torch.device) -> dict[str, Any]:
    return {
        "seekcli": seekcli.__version__,
        "git": git_commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "command": sys.argv,
        **scheduled_as(),
    }


def scheduled_as() -> dict[str, str]:
    """The job of Slurm that this process is in, `12_3` of an array, and the node; empty elsewhere."""
    job, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    if job is None:
        return {}
    name = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else job
    return {"job": name, "node": os.environ.get("SLURMD_NODENAME") or platform.node()}


def cpu_name() -> str:
    """The processor's own name where the system tells it (Linux), else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def cpu_flags() -> set[str]:
    """The instruction sets of the processor, by Linux's names; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


def bf16_units() -> list[str]:
    """What makes bf16 quick on this processor: AMX, AVX-512, both or nothing."""
    flags = cpu_flags()
    return [name for flag, name in BF16_FLAGS.items() if flag in flags]


@functools.cache
def git_commit() -> str | None:
    """The commit of a source checkout, with `-dirty` when it has changes; None for an installed package.

    Asked once by a process: the code that it runs is what it has imported, whatever is checked out later.
    """
    root = Path(seekcli.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
